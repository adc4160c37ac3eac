"""The autoscaler of one pool: what it is told, what it decides, and why."""
