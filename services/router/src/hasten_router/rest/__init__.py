"""Where clients come in over HTTP: the same calls as REST, JSON and binary tensors."""
