"""The autoscaler in virtual time: a third shell, over the whole mesh or over its demand alone."""
