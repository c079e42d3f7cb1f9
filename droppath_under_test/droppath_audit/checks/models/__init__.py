"""The checks of whole models: one file each, found by being here."""
