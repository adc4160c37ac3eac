"""Who is there: one port, three adapters."""
