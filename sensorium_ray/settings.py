"""Typed settings from plain values, such as those of a JSON file or of `--set NAME=VALUE`."""

from __future__ import annotations

from dataclasses import fields
from difflib import get_close_matches
from numbers import Integral, Real
from typing import Any, TypeVar

from .errors import ConfigError

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
