"""The workers: who they are, how they stand, which one gets the next call."""
