"""Kills, false alarms and p-values of correct code, counted for ``docs/calibration.md``."""
