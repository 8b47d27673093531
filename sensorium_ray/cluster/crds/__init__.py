"""Schemas of KubeRay, as data."""
