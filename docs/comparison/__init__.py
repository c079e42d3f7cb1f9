"""The comparison of this suite with the rules of others, from which ``docs/power.py`` makes its page."""
