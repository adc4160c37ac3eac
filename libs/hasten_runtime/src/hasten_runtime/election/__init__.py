"""Who owns what: one owner at a time, each with an epoch above all before."""
