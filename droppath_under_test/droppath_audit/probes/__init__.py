"""What a check asks, and who answers: a live probe drives a target, a recorded one reads a file."""
