"""Experiments on models: what a mouse has no time for. One file an experiment."""
