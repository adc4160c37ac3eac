"""The worker's end of links: where they come in, and what waits to be sent up."""
