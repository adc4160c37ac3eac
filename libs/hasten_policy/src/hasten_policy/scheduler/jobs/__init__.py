"""Jobs: things that make tasks and follow them, each with a pure machine of its own."""
