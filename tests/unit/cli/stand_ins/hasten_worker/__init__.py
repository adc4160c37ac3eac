"""Stands in for the worker where local mode itself is under test."""
