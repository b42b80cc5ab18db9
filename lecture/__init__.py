"""A lecture from the book: slides whose drawings, code and numbers come from the built pages."""
