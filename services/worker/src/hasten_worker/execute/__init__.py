"""The stream over which routers send calls."""
