"""Whether a request may be accepted."""
