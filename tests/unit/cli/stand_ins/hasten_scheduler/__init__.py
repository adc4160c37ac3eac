"""Stands in for the scheduler where local mode itself is under test."""
