"""The way of one model version from its folder to a warm model that runs batches."""
