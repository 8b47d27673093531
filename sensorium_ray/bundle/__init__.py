"""Bundles: all that a model ever becomes."""
