"""The words of the project as types. Standard library only; everything else builds on this package."""
