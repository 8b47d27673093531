"""The version that results name."""

from __future__ import annotations

from importlib.metadata import version


def package_version() -> str:
    """Version of this package as installed."""
    return version("sensorium-ray")
