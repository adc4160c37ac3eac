"""Which waiting task goes to which worker, and what becomes of it."""
