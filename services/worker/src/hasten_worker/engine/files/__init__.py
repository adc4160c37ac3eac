"""The files of a model repository: where they are, whether they changed, private copies of them."""
