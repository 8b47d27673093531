"""The benchmarks' metrics by name, how neurons and mice are pooled, and the fraction of the known ceiling.

To add a metric: a function in `METRICS`, and what it needs in `TrialStatistics` and `VideoGroup`.

Which frames of a trial count is `benchmark.EvalWindow`'s to say; the references differ in that alone: the
2023 starter kit takes 50 to the end, the winner 50..298, ViV1T 50..299. (The winner drops the last of the
first 300 frames, in a shorter trial also its last one; the window 50..298 keeps that one.)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .statistics import CoMoments, RepeatAverage, VideoMean

NAN_POLICY = "nan-and-constant-are-0"
"""A neuron with a NaN, or with a constant response or prediction, counts as correlation 0."""

_RESPONSE, _PREDICTION = 0, 1


@dataclass(frozen=True, slots=True)
class TrialStatistics:
    """What the metrics need of one bundle's predictions of some trials of one mouse; mergeable.

    Parameters
    ----------
    trials : how many trials.
    moments : of recorded and predicted responses over all frames of all trials.
    videos : correlation to average of each video that was shown at least twice, summed.
    """

    trials: int
    moments: CoMoments
    videos: VideoMean

    def merge(self, other: TrialStatistics) -> TrialStatistics:
        """Statistics of both sets of trials; no video may be split between them."""
        return TrialStatistics(
            self.trials + other.trials, self.moments.merge(other.moments), self.videos.merge(other.videos)
        )


class VideoGroup:
    """Collects the repeats of one video, trial by trial."""

    def __init__(self, neurons: int) -> None:
        self._moments = CoMoments.of(np.zeros((2, neurons, 0)))
        self._average = RepeatAverage()

    def add(self, responses: np.ndarray, prediction: np.ndarray) -> None:
        """Add one trial: recorded and predicted responses, (neurons, frames) each, frames that count."""
        signals = np.stack([responses, prediction]).astype(np.float64)
        self._moments = self._moments.merge(CoMoments.of(signals))
        self._average.add(signals)

    def statistics(self) -> TrialStatistics:
        """Statistics of the trials added so far.

        Raises
        ------
        DataError : the trials share no frame that counts.
        """
        repeated = self._average.repeats > 1
        values = self._average.correlation(_RESPONSE, _PREDICTION) if repeated else 0.0
        total = np.zeros(self._moments.mean.shape[1]) + values
        return TrialStatistics(self._average.repeats, self._moments, VideoMean(int(repeated), total))


def single_trial_correlation(statistics: TrialStatistics) -> np.ndarray:
    """What the 2023 competition ranks by: all trials of a tier concatenated in time, Pearson per neuron.

    r = cov(y, p) / ((std y + 1e-8)(std p + 1e-8)), ddof 0; NaN and constant count as 0.
    Source: `get_correlations` of the sensorium_2023 starter kit; arXiv 2305.19654.

    Returns
    -------
    (neurons,) float64
    """
    return statistics.moments.correlation(_RESPONSE, _PREDICTION)


def correlation_to_average(statistics: TrialStatistics) -> np.ndarray | None:
    """Correlation over time of responses and predictions that are averaged over a video's repeats.

    The mean over the videos with at least two repeats. Predictions are averaged too, since they differ from
    repeat to repeat with what the mouse does. Source: arXiv 2305.19654; ViV1T's `correlation_to_average` is
    the same.

    Returns
    -------
    (neurons,) float64, or None where no video was repeated.
    """
    return statistics.videos.mean() if statistics.videos.videos else None


METRICS: dict[str, Callable[[TrialStatistics], np.ndarray | None]] = {
    "single_trial_correlation": single_trial_correlation,
    "correlation_to_average": correlation_to_average,
}
"""Metrics by name; the first one ranks."""

RANKED_BY = "single_trial_correlation"


def mean_over_neurons(means: np.ndarray, neurons: np.ndarray) -> float:
    """Mean over the neurons of all mice, as the 2023 starter kit pools: every neuron weighs the same.

    Parameters
    ----------
    means : (mice,) mean over each mouse's neurons.
    neurons : (mice,) how many neurons each mouse has.
    """
    return float(np.average(means, weights=neurons))


def mean_over_mice(means: np.ndarray, neurons: np.ndarray) -> float:
    """Mean over neurons, then over mice, as the 2023 winner and ViV1T pool: every mouse weighs the same."""
    return float(np.mean(means))


POOLINGS: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "neurons": mean_over_neurons,
    "neurons-then-mice": mean_over_mice,
}
"""Poolings by name; the first one ranks."""

DEFAULT_POOLING = "neurons"


def fraction_of_ceiling(value: float | None, ceiling: float | None) -> float | None:
    """How much of what can be explained was explained: pooled metric / pooled ceiling.

    The ceiling of a neuron is the same metric with the true expected response as the prediction; it is known
    where the data were simulated. A ratio of means, not a mean of ratios: a silent neuron's ceiling is
    next to 0, so its own ratio explodes, and a few such neurons would drown all others.

    Returns
    -------
    None where the ceiling is unknown or not positive.
    """
    return value / ceiling if value is not None and ceiling is not None and ceiling > 0 else None
