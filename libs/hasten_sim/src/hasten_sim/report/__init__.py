"""What many runs say together: statistics over seeds, comparisons, tables, JSON, one page."""
