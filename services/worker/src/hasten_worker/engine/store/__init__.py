"""The models that a worker serves: what is there, what serves, and what changes it."""
