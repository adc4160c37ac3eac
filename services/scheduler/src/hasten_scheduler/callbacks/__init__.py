"""Callbacks: tells others by HTTP that something has ended."""
