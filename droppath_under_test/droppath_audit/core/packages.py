"""Names of folders and packages that tell whose code a file is."""

from __future__ import annotations

INSTALLED = {"site-packages", "dist-packages"}
"""Folders of what is installed: others' code, where the target's own is not."""
FRAMEWORKS = {"torch", "numpy", "jax", "jaxlib", "flax", "paddle", "tensorflow", "keras", "mindspore", "mxnet"}
"""Packages whose functions call each other without end, and change no layer's mind."""
