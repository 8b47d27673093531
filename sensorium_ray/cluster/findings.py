"""What is wrong with a cluster's file, and how a misspelt name is mended."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Parameters
    ----------
    where : the file and the field.
    what : what is wrong.
    mend : what to do about it.
    severity : 'error' does not work, or costs what nobody wanted; 'warning' may be meant so.
    """

    where: str
    what: str
    mend: str
    severity: Literal["error", "warning"]


def nearest(name: str, known: Iterable[str], otherwise: str | None = None) -> str:
    """How to mend a name that is not known.

    Parameters
    ----------
    otherwise : what to say where none is like it; None: all that are known.
    """
    names = sorted(known)
    near = get_close_matches(name, names, n=1)
    return f"did you mean '{near[0]}'?" if near else otherwise or f"known: {', '.join(names)}"
