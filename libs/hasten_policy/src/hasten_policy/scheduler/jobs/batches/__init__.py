"""Batches: many lines, run a chunk at a time."""
