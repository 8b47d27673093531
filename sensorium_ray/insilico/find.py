"""Experiments are found by the names of their files; nothing is registered anywhere."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType
from typing import Any

from ..errors import ConfigError
from ..settings import make_settings, suggestion
from . import experiments


def names() -> list[str]:
    """Names of all experiments."""
    return sorted(module.name for module in pkgutil.iter_modules(experiments.__path__))


def experiment(name: str) -> ModuleType:
    """Module of an experiment, which has `Config`, `measure(subject, config)` and `draw(result)`.

    Raises
    ------
    ConfigError : there is none of that name.
    """
    if name not in names():
        raise ConfigError(f"there is no experiment '{name}'", "", suggestion(name, names()))
    return importlib.import_module(f"{experiments.__name__}.{name}")


def make_config(name: str, settings: dict[str, Any]) -> Any:
    """Experiment's typed settings from plain values; lists become tuples.

    Raises
    ------
    ConfigError : a setting is unknown, or a value is refused.
    """
    return make_settings(name, experiment(name).Config, settings)
