"""What is wrong with a cluster file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Parameters
    ----------
    where : file and field.
    what : what is wrong there.
    mend : what to do about it.
    severity : 'error' is what fails, costs or lets others in; 'warning' may be meant.
    """

    where: str
    what: str
    mend: str
    severity: Literal["error", "warning"]
