"""The router's machine: admission, hold queue, retries, hedges."""
