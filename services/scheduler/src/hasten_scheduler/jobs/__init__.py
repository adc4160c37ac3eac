"""Jobs: things that make tasks and follow them. Kinds of jobs have rooms of their own."""
