"""Jobs: what is stored to make tasks, and follows them."""
