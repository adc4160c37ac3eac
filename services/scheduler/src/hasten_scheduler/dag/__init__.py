"""DAGs: read and checked, driven as jobs, told to callers."""
