"""The shells that Hasten's services share."""
