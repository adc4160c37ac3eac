"""Measures the mesh from outside, as its clients see it. Not part of any test's verdict."""
