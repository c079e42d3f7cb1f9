"""The survival monitor: what a model's layers keep while it is trained."""
