"""The repeats of one video: their average frame by frame, and how much they differ from each other."""

from __future__ import annotations

import numpy as np

from .parts import Part
from .statistics import CoMoments, float64_blocks, sums_over_frames

MAX_CUT = 96
"""Frames by which repeats of one video may differ in length and still be compared with each other.

Where they differ by more, the video has a correlation to average, but no FEV, FEVE or normalised correlation.
A shorter repeat cuts the earlier ones, too, so that their sums must be known for every length that may yet come;
for all 300 of a trial that would take more time and memory than everything else. (The published trials have 239
to 324 frames.)
"""

SIGNAL_POWER_THRESHOLD = 1e-4
"""Least signal power of a neuron that has a normalised correlation, in squared units of response (ViV1T)."""

_RESPONSE, _PREDICTION = 0, 1


class RepeatSums:
    """Sums over the repeats of one video; memory is that of a trial, however many they are.

    Repeats of unequal length are cut to the shortest.
    """

    def __init__(self) -> None:
        self._repeats = 0
        self._first: tuple[np.ndarray, CoMoments] | None = None

    def add(self, responses: np.ndarray, prediction: np.ndarray, moments: CoMoments) -> None:
        """Add one repeat.

        Parameters
        ----------
        responses, prediction : recorded and predicted, (neurons, frames), at least one frame.
        moments : of these two over all their frames.
        """
        self._repeats += 1
        if self._repeats == 1:
            # Most training videos have one repeat, so that the sums wait for the second.
            self._first = np.stack([responses, prediction]), moments
            return
        if self._first is not None:
            signals, of_first = self._first
            self._first = None
            self._start(signals)
            self._fold(signals[_RESPONSE], signals[_PREDICTION], of_first)
        self._fold(responses, prediction, moments)

    def parts(self) -> dict[str, Part]:
        """'averages', 'videos' and 'images', see `trials.PARTS`; the latter two need at least two repeats.

        'videos' needs two frames, too, since it correlates over time.
        """
        averages = self._averages()
        found = {"averages": Part(averages, {})}
        if self._repeats < 2:
            return found
        within_trials = np.full(averages.mean.shape[1], np.nan)
        if self._longest - self._frames <= MAX_CUT:
            found["images"], within_trials = self._compared(averages)
        if self._frames > 1:
            found["videos"] = _over_time(averages, self._repeats, within_trials)
        return found

    def _compared(self, averages: CoMoments) -> tuple[Part, np.ndarray]:
        """'images', and the sums of squares within each repeat, summed over the repeats, (neurons,)."""
        repeats, frames, cut = self._repeats, self._frames, self._frames - self._head
        samples = repeats * frames
        with np.errstate(invalid="ignore"):
            squares, errors = self._totals - self._tails[:, :, cut:].sum(axis=2)
            about_mean = np.maximum(squares - samples * (averages.mean[_RESPONSE] - self._shift) ** 2, 0.0)
            within_trials = squares - self._squared_sums[:, cut] / frames
            noise = np.maximum(about_mean - repeats * averages.comoment[_RESPONSE, _RESPONSE], 0.0) / (repeats - 1)
            errors = np.maximum(errors, 0.0)
        recorded = CoMoments(samples, averages.mean[[_RESPONSE]], about_mean[None, None])
        return Part(recorded, {"images": np.array(float(frames)), "noise": noise, "error": errors}), within_trials

    def _averages(self) -> CoMoments:
        if self._first is not None:
            return self._first[1]
        of_sums = CoMoments.of(self._sums[:, :, : self._frames])
        return CoMoments(of_sums.count, of_sums.mean / self._repeats, of_sums.comoment / self._repeats**2)

    def _start(self, first: np.ndarray) -> None:
        _, neurons, frames = first.shape
        self._frames = self._longest = frames
        self._head = max(0, frames - MAX_CUT)
        # Responses are taken about this, so that a constant one is exactly constant.
        self._shift = first[_RESPONSE, :, 0].astype(np.float64)
        self._sums = np.zeros((2, neurons, frames))
        # Summed over the repeats: squared responses and squared errors, over all frames and of each of the last,
        # and the squared sum over time of the responses, for each length from `_head` to `frames`.
        self._totals = np.zeros((2, neurons))
        self._tails = np.zeros((2, neurons, frames - self._head))
        self._squared_sums = np.zeros((neurons, frames - self._head + 1))

    def _fold(self, responses: np.ndarray, prediction: np.ndarray, moments: CoMoments) -> None:
        length = responses.shape[1]
        self._longest = max(self._longest, length)
        self._frames = frames = min(self._frames, length)
        if frames < length:
            responses, prediction = responses[:, :frames], prediction[:, :frames]
            moments = CoMoments.of(np.stack([responses, prediction]))
        sums = self._fold_totals(moments)
        for block, values in float64_blocks(responses, prediction):
            self._sums[:, block, :frames] += values
            if frames >= self._head:
                self._fold_tails(block, values[:, :, self._head :], sums[block])

    def _fold_totals(self, moments: CoMoments) -> np.ndarray:
        """Sum over time of the responses about `_shift`, (neurons,)."""
        (responses, both), (_, predictions) = moments.comoment
        with np.errstate(invalid="ignore"):
            mean = moments.mean[_RESPONSE] - self._shift
            bias = moments.mean[_RESPONSE] - moments.mean[_PREDICTION]
            self._totals[0] += responses + moments.count * mean**2
            self._totals[1] += responses - 2 * both + predictions + moments.count * bias**2
            return moments.count * mean

    def _fold_tails(self, block: slice, tail: np.ndarray, sums: np.ndarray) -> None:
        width = tail.shape[2]
        with np.errstate(invalid="ignore"):
            errors = tail[_RESPONSE] - tail[_PREDICTION]
            self._tails[1, block, :width] += np.square(errors, out=errors)
            responses = tail[_RESPONSE] - self._shift[block, None]
            sums_until = np.empty((len(sums), width + 1))
            sums_until[:, 0] = sums - sums_over_frames(responses)
            sums_until[:, 1:] = responses
            sums_until.cumsum(axis=1, out=sums_until)
            self._squared_sums[block, : width + 1] += np.square(sums_until, out=sums_until)
            self._tails[0, block, :width] += np.square(responses, out=responses)


def _over_time(averages: CoMoments, repeats: int, within_trials: np.ndarray) -> Part:
    """Correlations over time of one video.

    The normalised one is Schoppe et al. 2016, doi 10.3389/fncom.2016.00010: the covariance of the averages
    over the standard deviation of the predictions' and the root of the signal power; ddof 1, 1e-8 added below,
    as ViV1T does it. A neuron without signal power, or with a NaN, has none.
    """
    freedom = int(averages.count) - 1
    comoment = averages.comoment / freedom
    with np.errstate(invalid="ignore"):
        power = (repeats**2 * comoment[_RESPONSE, _RESPONSE] - within_trials / freedom) / (repeats * (repeats - 1))
        scale = np.sqrt(comoment[_PREDICTION, _PREDICTION] * np.maximum(power, 0.0)) + 1e-8
        normalised = np.where(power > SIGNAL_POWER_THRESHOLD, comoment[_RESPONSE, _PREDICTION] / scale, np.nan)
    valid = ~np.isnan(normalised)
    return Part(
        CoMoments.uncounted(1, len(valid)),
        {
            "correlation": averages.correlation(_RESPONSE, _PREDICTION, nan=np.nan),
            "normalised": np.where(valid, normalised, 0.0),
            "normalised_videos": valid.astype(np.float64),
        },
    )
