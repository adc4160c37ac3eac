"""Which models lie on which workers."""
