"""Clients of the endpoint: predictions and submissions over HTTP."""
