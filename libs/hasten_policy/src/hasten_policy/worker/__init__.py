"""The worker's machine: batches, lanes, what is shed, what is reported."""
