"""Load state and checkpoints in Redis."""
