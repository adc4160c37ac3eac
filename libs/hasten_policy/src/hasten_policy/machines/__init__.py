"""One machine a service: events in, effects out."""
