"""What is claimed of the decisions, measured in virtual time and written to docs/evaluation/."""
