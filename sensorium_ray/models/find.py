"""Architectures are found by the names of their files; nothing is registered anywhere."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType
from typing import Any

from ..settings import find_module, make_settings
from .encoder import Encoder
from .population import Population

_PARTS = frozenset(
    {
        "encoder",
        "find",
        "hermite",
        "hierarchical",
        "layers",
        "normalisation",
        "population",
        "readouts",
        "swin",
        "vivit",
    }
)


def names() -> list[str]:
    """Names of all architectures: the modules of this package that are not parts."""
    package = importlib.import_module(__package__)
    return sorted({module.name for module in pkgutil.iter_modules(package.__path__)} - _PARTS)


def architecture(name: str) -> ModuleType:
    """Module of an architecture, which has `Config` and `build`.

    Raises
    ------
    ConfigError : there is none of that name.
    """
    return find_module(__package__, "architecture", name, names())


def make_config(name: str, settings: dict[str, Any]) -> Any:
    """Architecture's typed configuration from plain values, e.g. of a JSON file; lists become tuples.

    Raises
    ------
    ConfigError : a field is unknown, or a value is refused.
    """
    return make_settings(name, architecture(name).Config, settings)


def build(name: str, settings: dict[str, Any], population: Population) -> Encoder:
    """Network of an architecture for some mice, freshly initialised from torch's current seed."""
    return architecture(name).build(make_config(name, settings), population)
