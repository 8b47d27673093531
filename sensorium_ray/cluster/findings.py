"""What is wrong with a cluster's file."""

from __future__ import annotations

from dataclasses import dataclass
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
