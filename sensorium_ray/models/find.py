"""Architectures are found by the names of their files; nothing is registered anywhere."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import fields
from difflib import get_close_matches
from numbers import Integral, Real
from types import ModuleType
from typing import Any

from ..errors import ConfigError
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
    if name not in names():
        raise ConfigError(f"there is no architecture '{name}'", "", suggestion(name, names()))
    return importlib.import_module(f"{__package__}.{name}")


def make_config(name: str, settings: dict[str, Any]) -> Any:
    """Architecture's typed configuration from plain values, e.g. of a JSON file; lists become tuples.

    Raises
    ------
    ConfigError : a field is unknown, or a value is refused.
    """
    config_class = architecture(name).Config
    usual = {field.name: field.default for field in fields(config_class)}
    given = {key: tuple(value) if isinstance(value, list) else value for key, value in settings.items()}
    for field, value in given.items():
        if field not in usual:
            raise ConfigError(f"has no setting '{field}'", name, suggestion(field, list(usual)))
        if not _is_like(value, usual[field]):
            raise ConfigError(f"has {value!r} for {field}", name, f"give one like {usual[field]!r}")
    return config_class(**given)


def build(name: str, settings: dict[str, Any], population: Population) -> Encoder:
    """Network of an architecture for some mice, freshly initialised from torch's current seed."""
    return architecture(name).build(make_config(name, settings), population)


def _is_like(value: object, usual: object) -> bool:
    """Whether a value is of the kind of another; whole numbers are numbers, truth values are not."""
    if isinstance(usual, bool) or isinstance(value, bool):
        return isinstance(value, bool) and isinstance(usual, bool)
    for kind in (Integral, Real):
        if isinstance(usual, kind):
            return isinstance(value, kind)
    return isinstance(value, type(usual))


def suggestion(name: str, known: list[str]) -> str:
    """Mend for a misspelt name: the nearest known one, and all of them."""
    near = get_close_matches(name, known, n=1)
    return (f"did you mean '{near[0]}'? " if near else "") + "known: " + ", ".join(known)
