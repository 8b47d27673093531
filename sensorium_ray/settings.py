"""What is chosen by name: settings from plain values, a module of a kind, one of several things."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from difflib import get_close_matches
from importlib import import_module
from numbers import Integral, Real
from types import ModuleType
from typing import Any, TypeVar

from .errors import ConfigError, DataError

T = TypeVar("T")


def make_settings(name: str, kind: type[T], given: dict[str, Any]) -> T:
    """A frozen dataclass, all of whose fields have defaults, from plain values; lists become tuples.

    Parameters
    ----------
    name : whose settings these are, for the sentence.

    Raises
    ------
    ConfigError : a field is unknown, or a value is refused.
    """
    usual: dict[str, Any] = {field.name: field.default for field in fields(kind)}  # type: ignore[arg-type]
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in given.items()}
    for field, value in values.items():
        if field not in usual:
            raise ConfigError(f"has no setting '{field}'", name, suggestion(field, list(usual)))
        if not _is_like(value, usual[field]):
            raise ConfigError(f"has {value!r} for {field}", name, f"give one like {usual[field]!r}")
    return kind(**values)


def find_module(package: str, kind: str, name: str, known: list[str]) -> ModuleType:
    """Module of a package, by its name.

    Parameters
    ----------
    kind : what such a module is, such as 'architecture', for the sentence.
    known : names that there are.

    Raises
    ------
    ConfigError : there is none of that name.
    """
    if name not in known:
        raise ConfigError(f"there is no {kind} '{name}'", "", suggestion(name, known))
    return import_module(f"{package}.{name}")


def named_or_only(what: str, name: str | None, known: Sequence[str]) -> str:
    """The name that was given, or that of the only one there is.

    Parameters
    ----------
    what : such as 'mouse', for the sentence.
    known : names that there are.

    Raises
    ------
    DataError : no name was given, and there are several.
    """
    if name is not None:
        return name
    if len(known) != 1:
        raise DataError("is missing", what, f"name one of {', '.join(known)}")
    return known[0]


def suggestion(name: str, known: list[str]) -> str:
    """Mend for a misspelt name: the nearest known one, and all of them."""
    near = get_close_matches(name, known, n=1)
    return (f"did you mean '{near[0]}'? " if near else "") + "known: " + ", ".join(known)


def _is_like(value: object, usual: object) -> bool:
    """Whether a value is of the kind of another; whole numbers are numbers, truth values are not."""
    if isinstance(usual, bool) or isinstance(value, bool):
        return isinstance(value, bool) and isinstance(usual, bool)
    for kind in (Integral, Real):
        if isinstance(usual, kind):
            return isinstance(value, kind)
    return isinstance(value, type(usual))
