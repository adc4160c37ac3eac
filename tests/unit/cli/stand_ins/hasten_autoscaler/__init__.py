"""Stands in for the autoscaler where local mode itself is under test."""
