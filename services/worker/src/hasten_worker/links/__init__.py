"""The links over which routers send calls."""
