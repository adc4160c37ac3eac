"""hasten, the operator's command."""
