"""Links to workers: one long connection each, and who gets one."""
