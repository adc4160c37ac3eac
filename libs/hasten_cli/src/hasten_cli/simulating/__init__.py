"""What `hasten simulate` does: workloads, searches and what-if questions in virtual time."""
