"""Example targets: layers as tutorials and papers print them, ready to audit.

``droppath-audit list --known`` says what the audit finds in each, and why.
"""
