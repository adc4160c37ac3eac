"""Durable tasks: the port to their store, and where large inputs and outputs lie."""
