"""Architectures, found by the names of their files."""
