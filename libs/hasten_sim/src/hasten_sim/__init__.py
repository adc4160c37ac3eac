"""The shipped machines in virtual time: what would happen if."""
