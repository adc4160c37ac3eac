"""A model in onnxruntime: its session, its tensors, its buffers, its runs."""
