"""Batches: lines in, lines of results out."""
