"""Statistics of random masks: pure functions over counts, with their planning twins."""
