"""DAGs: steps that are tasks, with inputs out of other steps' outputs."""
