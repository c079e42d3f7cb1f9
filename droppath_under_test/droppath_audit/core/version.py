"""The version of this package; apart from its front, which imports what must know it."""

__version__ = "0.1.0"
