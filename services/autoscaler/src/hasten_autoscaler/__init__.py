"""Hasten's autoscaler: the right number of workers, a little before they are needed."""
