"""Kubernetes' quantities: '500m' of a core, '8Gi' of memory."""

from __future__ import annotations

import re
from decimal import Decimal

_WRITTEN = re.compile(r"([+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)([numkMGTPE]|[KMGTPE]i)?")
_SUFFIXES = {"n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"), "k": Decimal(1000)}
_SUFFIXES |= {letter: Decimal(1000) ** power for power, letter in enumerate("MGTPE", 2)}
_SUFFIXES |= {f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGTPE", 1)}


def amount(quantity: str | int) -> Decimal:
    """How much it is: cores, bytes or pieces."""
    match = _WRITTEN.fullmatch(str(quantity))
    if match is None:  # KubeRay's schema has let it pass, as it does 1e1.5
        return Decimal(0)
    return Decimal(match[1]) * _SUFFIXES.get(match[2], Decimal(1))
