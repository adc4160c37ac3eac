"""Periodic tasks: when they run, what becomes of times that pass, and what a hard one reserves."""
