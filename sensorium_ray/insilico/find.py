"""Experiments are found by the names of their files; nothing is registered anywhere."""

from __future__ import annotations

import inspect
import pkgutil
import re
from dataclasses import dataclass, fields
from types import ModuleType
from typing import Any

from ..settings import find_module, make_settings
from . import experiments


def names() -> list[str]:
    """Names of all experiments."""
    return sorted(module.name for module in pkgutil.iter_modules(experiments.__path__))


def experiment(name: str) -> ModuleType:
    """Module of an experiment, which has `Config`, `measure(subject, config)` and `draw(result)`.

    Where settings name paths, it has their names as `LOCAL`, too: an endpoint takes none of those.

    Raises
    ------
    ConfigError : there is none of that name.
    """
    return find_module(experiments.__name__, "experiment", name, names())


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting of an experiment.

    Parameters
    ----------
    usual : its value unless given.
    about : what it means, with its unit.
    is_local : whether it names something on the computer where the experiment is made.
    """

    name: str
    usual: Any
    about: str
    is_local: bool


def summary(name: str) -> str:
    """What an experiment finds out, in a line.

    Raises
    ------
    ConfigError : there is none of that name.
    """
    return (inspect.getdoc(experiment(name)) or "").partition("\n")[0]


def settings(name: str) -> list[Setting]:
    """Settings of an experiment, as its `Config` and that one's docstring say.

    Raises
    ------
    ConfigError : there is none of that name.
    """
    module = experiment(name)
    # A Config may extend one that several experiments share, whose docstring tells its part.
    about: dict[str, str] = {}
    for kind in reversed(module.Config.__mro__):
        about |= _told(inspect.cleandoc(kind.__doc__ or ""))
    local = getattr(module, "LOCAL", ())
    return [
        Setting(field.name, field.default, about.get(field.name, ""), field.name in local)
        for field in fields(module.Config)
    ]


_ENTRY = re.compile(r"^(\w+(?:, \w+)*) : (.*(?:\n .*)*)", re.MULTILINE)
"""Of a docstring's parameters: names, and what is said of them, whose further lines are indented."""


def _told(docstring: str) -> dict[str, str]:
    entries = {names: " ".join(text.split()) for names, text in _ENTRY.findall(docstring)}
    return {name: text for names, text in entries.items() for name in names.split(", ")}


def make_config(name: str, settings: dict[str, Any]) -> Any:
    """Experiment's typed settings from plain values; lists become tuples.

    Raises
    ------
    ConfigError : a setting is unknown, or a value is refused.
    """
    return make_settings(name, experiment(name).Config, settings)
