"""Example targets: layers as tutorials and papers print them, ready to audit.

A module here imports the framework it is for. ``droppath-audit list --known`` says what an audit finds, and why.
"""
