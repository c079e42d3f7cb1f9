"""What ``docs/calibration.py`` is made of."""
