"""The drawings of the chapter: vector, in the book's colours, from the run's own values."""

from tinytorch.analysis.drawings.canvas import Drawing

__all__ = ["Drawing"]
