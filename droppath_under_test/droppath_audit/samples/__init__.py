"""Example targets: layers as tutorials print them, ready to audit. A module here imports the framework it is for."""
