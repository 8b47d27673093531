"""Checkpoints that others published: one file a format, found by its name; nothing in them is unpickled but tensors."""
