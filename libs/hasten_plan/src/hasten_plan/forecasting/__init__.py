"""What demand will be."""
