"""The public inference protocol, served by the worker itself."""
