"""Tries a model file in a process that may die of it, and finds out what the model runs with."""
