"""The checks of schedules: one file each, found by being here."""
