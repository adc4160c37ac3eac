"""Where clients come in: the public inference service, health, reflection, operators."""
