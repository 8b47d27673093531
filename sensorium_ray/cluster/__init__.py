"""Cluster files, checked before money is spent."""
