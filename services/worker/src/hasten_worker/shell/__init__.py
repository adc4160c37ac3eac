"""The worker's one machine, the lanes it drives, and the calls in between."""
