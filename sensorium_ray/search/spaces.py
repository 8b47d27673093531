"""Search spaces are found by the names of their files in `tune_spaces`, like architectures."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from ray.tune.search.sample import Domain

from ..errors import ConfigError
from ..models import find

Size = Literal["full", "demo", "published", "small"]

_VARIABLES: dict[Size, str] = {"full": "SPACE", "demo": "DEMO", "published": "PUBLISHED", "small": "SMALL"}


def space(architecture: str, size: Size = "full") -> dict[str, dict[str, Any]]:
    """What to search for an architecture: distributions by 'model' and 'training' setting.

    Parameters
    ----------
    size : 'full', 'demo' (small enough for two cores), 'published' (the paper's point alone) or 'small' (a network that
        trains in a second).

    Raises
    ------
    ConfigError : the architecture, its space or that size of it does not exist.
    """
    find.architecture(architecture)
    if importlib.util.find_spec(f"tune_spaces.{architecture}") is None:
        raise ConfigError(f"there is no tune_spaces/{architecture}.py", architecture, "write one beside the others")
    found = getattr(importlib.import_module(f"tune_spaces.{architecture}"), _VARIABLES[size], None)
    if not isinstance(found, Mapping) or set(found) != {"model", "training"}:
        raise ConfigError(
            f"has no {_VARIABLES[size]} with the parts 'model' and 'training'",
            f"tune_spaces/{architecture}.py",
        )
    return {part: dict(found[part]) for part in ("model", "training")}


def draw(found: Mapping[str, Mapping[str, Any]], rng: np.random.Generator) -> dict[str, dict[str, Any]]:
    """One point of a space: a value of every distribution, drawn in the space's order."""
    return {
        part: {
            name: value.sample(random_state=rng) if isinstance(value, Domain) else value
            for name, value in settings.items()
        }
        for part, settings in found.items()
    }
