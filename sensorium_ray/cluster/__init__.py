"""Clusters: their files checked before money is spent, and Ray's own commands run on them."""
