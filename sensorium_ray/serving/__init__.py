"""The REST endpoint and its client."""
