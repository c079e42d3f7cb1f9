"""The comparison of this suite with the rules of others, from which ``tools.power`` makes its page."""
