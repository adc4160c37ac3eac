"""The verbs of `hasten`, one module each; their heavy imports are inside the functions."""
