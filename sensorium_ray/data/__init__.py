"""Mice: simulated, read as published, and kept in a frame store."""
