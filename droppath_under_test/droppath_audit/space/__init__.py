"""Configurations: the factors of a call, their classes, and arrays of rows in which every few of them meet."""
