"""How many workers there should be: rules, and what they are decided from."""
