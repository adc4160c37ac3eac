"""Schedules: requests that are run by the clock."""
