"""Attacks on a mesh, each until it is time to stop; `loadtest.hostile` runs them."""
