"""Where workers come from: one port, and those who can start and stop them."""
