"""Calls that concern every worker: asking them all, and making one answer of many."""
