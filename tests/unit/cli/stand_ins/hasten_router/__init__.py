"""Stands in for the router where local mode itself is under test."""
