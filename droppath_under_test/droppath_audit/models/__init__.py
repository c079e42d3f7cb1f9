"""Whole models: what in them drops paths, what is asked of it, and who answers."""
