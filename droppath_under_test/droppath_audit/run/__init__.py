"""An audit: its plan, the engine that judges, the process that runs the target and the one that watches it."""
