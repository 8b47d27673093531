"""Bundles that come with the package: trained on the demo's simulated mice, to try things with, not to do science."""

from __future__ import annotations

from pathlib import Path

PRETRAINED = Path(__file__).parents[1] / "pretrained"
"""A folder of bundles; `docs/results.md` says how they were made and how good they are."""
