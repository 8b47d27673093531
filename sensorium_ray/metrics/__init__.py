"""Metrics of the benchmarks, and the mergeable statistics that they are made of."""
