"""Measures the mesh from outside, as its clients see it. Not part of any test's verdict."""

import os

# As in the worker: onnxruntime reads it when it is imported, and reports to nobody.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
