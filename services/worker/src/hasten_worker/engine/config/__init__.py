"""The configuration of a model: read, checked, completed from the model file."""
