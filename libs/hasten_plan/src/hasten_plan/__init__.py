"""Plans for the autoscaler: pure, with numpy."""
