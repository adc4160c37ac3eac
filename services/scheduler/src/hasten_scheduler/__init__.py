"""Hasten's scheduler: durable tasks, in time, each with one outcome."""
