"""Links to workers: one long connection each, who gets one, and what travels over it."""
