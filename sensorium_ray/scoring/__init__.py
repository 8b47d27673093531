"""Metrics, the batch job, score tables and submission files."""
