"""Ensembles: weights of members learned on the oracle tier and judged on videos that they did not see."""
