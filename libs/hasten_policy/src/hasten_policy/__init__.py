"""Hasten's decisions: pure, typed, replayable."""
