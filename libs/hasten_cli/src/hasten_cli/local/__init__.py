"""Local mode: the whole mesh as processes on one machine."""
