"""What protocol v1 answers, and in which form; `writers.py` writes it.

Every form says which model answered, by its checksum, for which mouse and neurons, and when each frame was.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

import numpy as np

from ..benchmark import RESPONSE_UNITS
from ..client.messages import ARROW
from ..errors import DataError
from .problems import Refusal
from .served import Served

JSON = "application/json"
NPZ = "application/x-npz"
NPY = "application/x-npy"
PARQUET = "application/vnd.apache.parquet"
FORMS = (JSON, NPZ, NPY, ARROW, PARQUET)
"""Where a client likes several alike, the first is taken."""
ABOUT = "Sensorium-About"
"""Header of every answer: what made it, as JSON."""


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What a model says about some neurons of a mouse, but for the responses themselves.

    Parameters
    ----------
    unit_ids : (neurons,) int64.
    times : (frames,) float64, seconds from the clip's first frame to each one that is answered.
    dtype : of the responses, float32, or float16 if asked for; deconvolved calcium, arbitrary units.
    warnings : what was done to the clip beyond what was asked for.
    """

    model: Served
    mouse: str
    unit_ids: np.ndarray
    times: np.ndarray
    dtype: np.dtype
    warnings: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, int]:
        """Of the responses: neurons, frames."""
        return len(self.unit_ids), len(self.times)

    def about(self) -> dict[str, object]:
        """What made it, as plain values."""
        return {
            "model": self.model.manifest.name,
            "checksum": self.model.checksum,
            "mouse": self.mouse,
            "rate": self.model.manifest.rate,
            "units": RESPONSE_UNITS,
            "warnings": list(self.warnings),
        }

    def headers(self) -> dict[str, str]:
        """The same as a header, for forms that cannot carry it."""
        return {ABOUT: json.dumps(self.about())}


def accepted(accept: str, forms: Sequence[str] = FORMS) -> str:
    """Media type of the answer: of some, the one that an Accept header likes best; the first of those it likes alike.

    Raises
    ------
    Refusal : 406, it accepts none of them.
    """
    wishes = dict(_wish(part) for part in accept.split(",") if part.strip())
    if not wishes:
        return forms[0]
    liking = {kind: _liking(kind, wishes) for kind in forms}
    best = max(liking, key=lambda kind: liking[kind])
    if not liking[best]:
        error = DataError(f"is '{accept}', of which nothing is written here", "accept", f"known are {', '.join(forms)}")
        raise Refusal(HTTPStatus.NOT_ACCEPTABLE, error)
    return best


def _wish(part: str) -> tuple[str, float]:
    """Pattern and liking of one part of an Accept header; what is no number counts as 1."""
    pattern, *parameters = (piece.strip().lower() for piece in part.split(";"))
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return pattern, min(max(float(value), 0.0), 1.0)
            except ValueError:
                break
    return pattern, 1.0


def _liking(kind: str, wishes: Mapping[str, float]) -> float:
    """What the most specific pattern that fits says (RFC 9110, 12.5.1)."""
    patterns = (kind, f"{kind.partition('/')[0]}/*", "*/*")
    return next((wishes[pattern] for pattern in patterns if pattern in wishes), 0.0)
