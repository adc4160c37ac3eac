"""The scaling rules by name: the shipped one, and those it is compared with."""
