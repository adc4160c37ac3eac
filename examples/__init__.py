"""Example models, how they were trained, and the demonstration."""
