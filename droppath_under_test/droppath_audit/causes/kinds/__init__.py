"""Kinds of mistake, one file each, found by being here: ``find(story, asked)`` returns the line, or None."""
