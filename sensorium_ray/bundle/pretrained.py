"""Small bundles that come with the package, so that an endpoint can be tried before anything is trained."""

from pathlib import Path

PRETRAINED = Path(__file__).parents[1] / "pretrained"
"""Folder of bundles, trained on the demo's simulated mice; docs/results.md says how and how good they are."""
