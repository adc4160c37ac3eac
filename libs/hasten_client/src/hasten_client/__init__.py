"""The Python client of Hasten: asyncio and sync, numpy in and out."""
