"""Which requests run together, and how many."""
