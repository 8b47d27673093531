"""The benchmarks' metrics by name, how neurons and mice are pooled, and the fraction of the known ceiling.

To add a metric: a line in `METRICS`, and what it needs in `trials.PARTS`.

Which frames of a trial count is `benchmark.EvalWindow`'s to say; the references differ in that alone: the
2023 starter kit takes 50 to the end, the winner 50..298, ViV1T 50..299. (The winner drops the last of the
first 300 frames, in a shorter trial also its last one; the window 50..298 keeps that one.) The competition's
server divided by the standard deviation of each time point first: `normalisation`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from .parts import Part
from .trials import PARTS, TrialStatistics

NAN_POLICY = "nan-and-constant-are-0"
"""A neuron with a NaN, or with a constant response or prediction, counts as correlation 0."""

FEV_THRESHOLD = 0.15
"""A neuron with a smaller fraction of explainable variance has no FEVE (2022 starter kit)."""

_RESPONSE, _PREDICTION = 0, 1


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    Parameters
    ----------
    name : as in tables.
    part : what it is made of, a name in `trials.PARTS`.
    of : from that part to (neurons,) float64, or (replicates, neurons) where resampled.
    higher_is_better : whether the best bundle has the highest value.
    formula : in one line, with its source.
    """

    name: str
    part: str
    of: Callable[[Part], np.ndarray]
    higher_is_better: bool
    formula: str

    @property
    def resampled_by(self) -> str:
        """Unit that intervals resample: 'trial', or 'video' where repeats must stay together."""
        return PARTS[self.part]

    def compute(self, statistics: TrialStatistics) -> np.ndarray | None:
        """Value of every neuron.

        Returns
        -------
        (neurons,) float64; NaN: the neuron does not count, and a mean leaves it out. None: these trials do not
        allow it, for example since no video was repeated.
        """
        tally = statistics.parts.get(self.part)
        return None if tally is None else self.of(tally.total)


def single_trial_correlation(trials: Part) -> np.ndarray:
    """What the 2023 competition ranks by: all trials of a tier concatenated in time, Pearson per neuron.

    r = cov(y, p) / ((std y + 1e-8)(std p + 1e-8)), ddof 0; NaN and constant count as 0.
    Source: `get_correlations` of the sensorium_2023 starter kit; arXiv 2305.19654.
    """
    return trials.moments.correlation(_RESPONSE, _PREDICTION)


def correlation_to_average(videos: Part) -> np.ndarray:
    """Correlation over time of responses and predictions that are averaged over a video's repeats.

    The mean over the videos with at least two repeats and two frames; NaN in any of them counts as 0.
    Predictions are averaged too, since they differ from repeat to repeat with what the mouse does.
    Source: arXiv 2305.19654; ViV1T's `correlation_to_average` is the same.
    """
    mean = videos.sums["correlation"] / videos.moments.count
    return np.where(np.isnan(mean), 0.0, mean)


def correlation_to_average_pooled(averages: Part) -> np.ndarray:
    """Correlation over images of responses and predictions that are averaged over an image's repeats.

    All images pooled, those shown once included, ddof 0, 1e-8 added to each std; NaN and constant count as 0.
    A frame of a video is an image. Source: arXiv 2206.08666 and the sensorium_2022 starter kit's
    `correlation_to_mean_across_repeats`.
    """
    return averages.moments.correlation(_RESPONSE, _PREDICTION)


def normalised_correlation(videos: Part) -> np.ndarray:
    """Correlation to average over the highest that the noise in the responses allows; may exceed 1.

    cov(mean y, mean p) / (sqrt(var(mean p) SP) + 1e-8), SP = (var(sum y) - sum var(y)) / (R (R - 1)), ddof 1. The
    mean over a neuron's videos with SP > 1e-4 (in squared units of response), NaN where it has none.
    Source: Schoppe et al. 2016, doi 10.3389/fncom.2016.00010; thresholds as in ViV1T.
    """
    number = videos.sums["normalised_videos"]
    with np.errstate(invalid="ignore"):
        return videos.sums["normalised"] / np.where(number > 0, number, np.nan)


def fev(images: Part) -> np.ndarray:
    """Fraction of the variance of responses that is explainable: (total - noise) / total.

    Noise is the variance over an image's repeats (ddof 1), the mean over images with at least two; total is the
    variance over all their trials (ddof 1). NaN where the response is constant. A frame of a repeated video
    is an image. Source: Cadena et al. 2019, doi 10.1371/journal.pcbi.1006897; sensorium_2022 starter kit.
    """
    total, explainable = _variances(images)
    with np.errstate(invalid="ignore", divide="ignore"):
        return explainable / total


def feve(images: Part) -> np.ndarray:
    """Fraction of the explainable variance that the prediction explains: 1 - (MSE - noise) / (total - noise).

    NaN where `fev` is NaN or below 0.15, as the sensorium_2022 starter kit drops those neurons. Source: as `fev`.
    """
    total, explainable = _variances(images)
    with np.errstate(invalid="ignore", divide="ignore"):
        error = images.sums["error"] / images.moments.count
        explained = 1 - (error - (total - explainable)) / explainable
        return np.where(explainable / total >= FEV_THRESHOLD, explained, np.nan)


def poisson_loss(loss: Part) -> np.ndarray:
    """Mean over all frames of p - y log(p + 1e-8); lower is better.

    The form of neuralpredictors' `PoissonLoss`. A rate cannot be negative: a prediction below 0 is taken as 0.
    NaN where a response or a prediction is NaN.
    """
    return loss.sums["loss"] / loss.moments.count


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "single_trial_correlation",
            "trials",
            single_trial_correlation,
            True,
            "Pearson over all frames of all trials (sensorium_2023 starter kit)",
        ),
        Metric(
            "correlation_to_average",
            "videos",
            correlation_to_average,
            True,
            "Pearson over time of averages over repeats, mean over videos (arXiv 2305.19654)",
        ),
        Metric(
            "correlation_to_average_pooled",
            "averages",
            correlation_to_average_pooled,
            True,
            "Pearson over images of averages over repeats (arXiv 2206.08666)",
        ),
        Metric(
            "normalised_correlation",
            "videos",
            normalised_correlation,
            True,
            "cov(mean y, mean p) / sqrt(var(mean p) SP), mean over videos (Schoppe et al. 2016)",
        ),
        Metric(
            "fev",
            "images",
            fev,
            True,
            "(total - noise) / total variance of responses (Cadena et al. 2019)",
        ),
        Metric(
            "feve",
            "images",
            feve,
            True,
            "1 - (MSE - noise) / (total - noise), neurons with FEV >= 0.15 (Cadena et al. 2019)",
        ),
        Metric(
            "poisson_loss",
            "loss",
            poisson_loss,
            False,
            "mean of p - y log(p + 1e-8) over frames (neuralpredictors)",
        ),
    )
}
"""Metrics by name; the first one ranks."""

RANKED_BY = "single_trial_correlation"


def parts_of(names: Iterable[str]) -> frozenset[str]:
    """What `VideoGroup` must collect for these metrics."""
    return frozenset(METRICS[name].part for name in names)


def _variances(images: Part) -> tuple[np.ndarray, np.ndarray]:
    """Total and explainable variance of the responses, (neurons,) each."""
    moments = images.moments
    total = moments.comoment[_RESPONSE, _RESPONSE] / (moments.count - 1)
    return total, total - images.sums["noise"] / images.sums["images"]


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
