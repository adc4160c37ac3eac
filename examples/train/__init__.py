"""How the example models were trained. Run all of it with `make models`."""
