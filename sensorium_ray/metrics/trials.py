"""What all metrics need of a bundle's predictions of some trials of a mouse, collected video by video."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from ..errors import DataError
from .parts import Arrays, Part, Tally, below
from .repeats import RepeatSums
from .statistics import CoMoments, float64_blocks, moments_of, sums_over_frames

PARTS = {
    "trials": "trial",
    "loss": "trial",
    "averages": "video",
    "videos": "video",
    "images": "video",
}
"""What a metric may need, and what of it is resampled for an interval.

trials : co-moments of responses (0) and predictions (1), over all frames of all trials.
loss : frames, and the sum of the Poisson loss.
averages : co-moments of responses (0) and predictions (1) that are averaged over a video's repeats, over all
    frames of all videos.
videos : number of repeated videos, and their correlations over time, summed.
images : frames of repeated videos; co-moments of their responses (0) over all frames and repeats; noise variance
    over the repeats summed over the frames; squared error of the predictions summed over all.
"""

_OF_REPEATS = {name for name, unit in PARTS.items() if unit == "video"}


@dataclass(frozen=True, slots=True)
class TrialStatistics:
    """What the metrics need of one bundle's predictions of some trials of one mouse; mergeable.

    A few numbers a neuron and block of trials (`parts.BLOCKS`), however many the trials and frames are.

    Parameters
    ----------
    trials : how many trials.
    parts : by their names in `PARTS`; one that these trials do not have is absent.
    """

    trials: int
    parts: dict[str, Tally]

    def merge(self, other: TrialStatistics) -> TrialStatistics:
        """Statistics of both sets of trials; no video may be split between them.

        Raises
        ------
        DataError : they are of different numbers of neurons.
        """
        if (ours := self._neurons()) != (theirs := other._neurons()):
            raise DataError(f"{ours} and {theirs} neurons do not merge", "statistics", "merge trials of one mouse")
        parts = dict(self.parts)
        for name, tally in other.parts.items():
            parts[name] = parts[name].merge(tally) if name in parts else tally
        return TrialStatistics(self.trials + other.trials, parts)

    def arrays(self) -> Arrays:
        """As named plain arrays, for an npz file."""
        named = {
            f"{part}/{name}": array for part, tally in self.parts.items() for name, array in tally.arrays().items()
        }
        return {"trials": np.array(self.trials, np.int64), **named}

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, np.ndarray]) -> TrialStatistics:
        """Inverse of `arrays`, exactly.

        Raises
        ------
        DataError : these are not arrays that `arrays` made.
        """
        try:
            found = {name: below(arrays, name) for name in PARTS}
            parts = {name: Tally.of_arrays(tally) for name, tally in found.items() if tally}
            return cls(int(arrays["trials"]), parts)
        except (KeyError, ValueError, IndexError, TypeError) as error:
            raise DataError(f"these are not statistics of trials ({error!r})", "statistics") from error

    def _neurons(self) -> int:
        return next((tally.total.moments.mean.shape[1] for tally in self.parts.values()), 0)


class VideoGroup:
    """Collects the repeats of one video, trial by trial; memory is that of a trial.

    Parameters
    ----------
    neurons : of the mouse.
    parts : what is collected, names in `PARTS`; see `definitions.parts_of`.
    """

    def __init__(self, neurons: int, parts: Collection[str] = tuple(PARTS)) -> None:
        self._neurons = neurons
        self._parts = frozenset(parts)
        self._units: list[int] = []
        self._tallies: dict[str, Tally] = {}
        self._repeats = RepeatSums()

    def add(self, responses: np.ndarray, prediction: np.ndarray, unit: int) -> None:
        """Add one trial.

        Parameters
        ----------
        responses, prediction : recorded and predicted, (neurons, frames) float32 or float64, frames that count.
        unit : running number of the trial among those that are scored together; what intervals resample.

        Raises
        ------
        DataError : the shapes disagree, or no frame counts.
        """
        shape = (self._neurons, *responses.shape[1:2])
        if responses.shape != shape or prediction.shape != shape or len(shape) != 2:
            what = f"responses are {responses.shape} and predictions {prediction.shape} of {self._neurons} neurons"
            raise DataError(what, f"trial {unit}", "give both as (neurons, frames)")
        if shape[1] == 0:
            raise DataError("no frame counts", f"trial {unit}", "choose frames that the trials have")
        self._units.append(unit)
        found = _of_trial(responses, prediction, with_loss="loss" in self._parts)
        for name, part in found.items():
            if name not in self._parts:
                continue
            tally = Tally.of(part, unit)
            self._tallies[name] = self._tallies[name].merge(tally) if name in self._tallies else tally
        if _OF_REPEATS & self._parts:
            self._repeats.add(responses, prediction, found["trials"].moments)

    def statistics(self) -> TrialStatistics:
        """Statistics of the trials added so far; the video's own number is the lowest of its trials'.

        Raises
        ------
        DataError : no trial was added.
        """
        if not self._units:
            raise DataError("no trial was added", "statistics of a video", "score at least one trial")
        found = self._repeats.parts() if _OF_REPEATS & self._parts else {}
        video = {name: Tally.of(part, min(self._units)) for name, part in found.items() if name in self._parts}
        return TrialStatistics(len(self._units), self._tallies | video)


def _of_trial(responses: np.ndarray, prediction: np.ndarray, *, with_loss: bool) -> dict[str, Part]:
    """'trials' and 'loss' of one trial, a block of neurons at a time, so that each value is read once."""
    neurons, frames = responses.shape
    mean, comoment, loss = np.empty((2, neurons)), np.empty((2, 2, neurons)), np.empty(neurons)
    for block, signals in float64_blocks(responses, prediction):
        mean[:, block], comoment[:, :, block] = moments_of(signals)
        if with_loss:
            loss[block] = _poisson_loss(*signals)
    found = {"trials": Part(CoMoments(frames, mean, comoment), {})}
    if with_loss:
        found["loss"] = Part(CoMoments.uncounted(frames, neurons), {"loss": loss})
    return found


def _poisson_loss(responses: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Sum over frames of p - y log(p + 1e-8), (neurons,); spoils `prediction`."""
    with np.errstate(invalid="ignore"):
        rates = np.maximum(prediction, 0.0, out=prediction)
        total = sums_over_frames(rates)
        rates += 1e-8
        return total - np.vecdot(responses, np.log(rates, out=rates))
