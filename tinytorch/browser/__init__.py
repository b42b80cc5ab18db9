"""The model in the reader's browser: its engine in C and JavaScript, and how it gets there."""
