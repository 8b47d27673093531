"""What predictions are compared with: recorded responses, raw or normalised, from the store or the withheld truth."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from ..benchmark import family_of
from ..data.store import FrameStore, TrialInfo
from ..data.truth import Truth
from ..errors import ConfigError, DataError
from ..metrics.normalisation import time_precision

NORMALISATIONS = {
    "raw": "responses and predictions as they are",
    "normalised": "both divided by the dataset's standard deviation of each time point, as models of the kit see them",
    "normalised-targets": "responses alone divided, as the server of the 2023 competition did for mice F-J",
}
"""Correlation depends on this, since the standard deviation varies with time; every result names it."""


@dataclass(frozen=True)
class Recording:
    """Recorded responses of a frame store's trials.

    Parameters
    ----------
    store : frame store.
    truth : withheld responses, families and expected responses; None: what the store has.
    normalisation : one of `NORMALISATIONS`.

    Raises
    ------
    ConfigError : the normalisation is unknown.
    DataError : it needs published statistics that a mouse of the store lacks.
    """

    store: FrameStore
    truth: Truth | None
    normalisation: str = "raw"
    _precision: dict[str, np.ndarray] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if self.normalisation not in NORMALISATIONS:
            known = ", ".join(NORMALISATIONS)
            raise ConfigError(f"'{self.normalisation}' is unknown", "--normalisation", f"choose {known}")

    def responses(self, mouse: str, trial: int) -> np.ndarray:
        """(neurons, frames) float32, from the truth where it has them; never normalised."""
        if self.truth is not None and self.truth.has_responses(mouse, trial):
            return self.truth.responses(mouse, trial)
        return self.store[mouse].responses(trial)

    def comparable(self, mouse: str, responses: np.ndarray, prediction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Both as they are compared.

        Parameters
        ----------
        responses, prediction : (neurons, frames), from a trial's first frame on.
        """
        if self.normalisation == "raw":
            return responses, prediction
        scale = self._scale(mouse, responses.shape[1])
        return responses * scale, prediction if self.normalisation == "normalised-targets" else prediction * scale

    def family(self, mouse: str, info: TrialInfo) -> str:
        """Stimulus family of a trial, from the truth where there is one."""
        if self.truth is not None:
            return self.truth.family(mouse, info.trial)
        return family_of(mouse, info.tier)

    def require_responses(self, mouse: str, tier: str, trials: Iterable[int]) -> None:
        """Refuse a tier whose responses are withheld: any prediction of it would score 0.

        Raises
        ------
        DataError : all responses of `trials` are zeros.
        """
        if not any(self.responses(mouse, trial).any() for trial in trials):
            what = f"responses of {tier} of {mouse} are withheld (all zeros)"
            raise DataError(what, str(self.store.path), "pass --truth DIR")

    def _scale(self, mouse: str, frames: int) -> np.ndarray:
        if mouse not in self._precision:
            published = self.store[mouse].published
            if "responses/std" not in published:
                mend = "ingest the mouse with its meta/statistics, or score it raw"
                raise DataError("came without published statistics", mouse, mend)
            self._precision[mouse] = time_precision(published["responses/std"]).astype(np.float32)
        precision = self._precision[mouse].reshape(self.store[mouse].neurons, -1)
        return precision[:, :frames]
