"""Behaviour modulation: the same clip at every running speed and pupil size.

Gains are of the logarithm of the response, per 20 cm/s of running and per 15 pixels of pupil size, by least squares
over all conditions. A modulation index is (high - low) / (high + low) of the responses at the ends of the sweep
(after Niell & Stryker 2010, Neuron 65).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from ...benchmark import BENCHMARKS
from ...errors import ConfigError
from ...report.figures import COLOURS
from .. import conditions
from ..conditions import Timing
from ..drawing import GUIDE, examples, histogram, page, spread
from ..patterns import benchmark_stimulus, grating, grey
from ..screen import MONITOR, Screen
from ..subject import Subject

_RUNNING_UNIT, _PUPIL_UNIT = 20.0, 15.0
_PUPIL, _RUNNING = "pupil dilation", "running speed"


@dataclass(frozen=True, slots=True)
class Config:
    """Settings.

    Parameters
    ----------
    clip : what is shown: 'grey', 'grating', or a family of the benchmark's stimuli, such as 'movie'.
    seed : of a family's video.
    direction, spatial_frequency, temporal_frequency : of the grating, degrees, cycles a degree, Hz.
    speeds : of running, cm/s, two or more.
    pupils : what the pupil's size differs by from the mouse's mean, pixels of the eye camera, two or more.
    blank : seconds of a blank screen before each stimulus.
    settle : seconds of a stimulus before responses count.
    seconds : of a stimulus while they count.
    monitor : width, height and distance from the eye, cm.
    """

    clip: str = "movie"
    seed: int = 0
    direction: float = 0.0
    spatial_frequency: float = 0.05
    temporal_frequency: float = 2.0
    speeds: tuple[float, ...] = (0.0, 10.0, 20.0, 30.0, 40.0)
    pupils: tuple[float, ...] = (-20.0, -10.0, 0.0, 10.0, 20.0)
    blank: float = 0.5
    settle: float = 0.5
    seconds: float = 4.0
    monitor: tuple[float, ...] = MONITOR

    def __post_init__(self) -> None:
        conditions.require_least("seed", self.seed, 0)
        conditions.require_positive("spatial_frequency", (self.spatial_frequency,))
        conditions.require_positive("temporal_frequency", (self.temporal_frequency,))
        conditions.require_finite("direction", (self.direction,))
        for name in ("speeds", "pupils"):
            given = getattr(self, name)
            conditions.require_finite(name, given)
            if len(set(given)) < 2:
                raise ConfigError(f"are {given}", name, "give two or more different ones")
        if min(self.speeds) < 0:
            raise ConfigError(f"are {self.speeds}", "speeds", "give none below 0")


def measure(subject: Subject, config: Config) -> xr.Dataset:
    """Mean responses to the clip at every running speed and pupil size.

    Returns
    -------
    response : (neuron, speed, pupil).
    running_gain, pupil_gain : (neuron,) of the response's logarithm, per 20 cm/s and per 15 pixels; NaN where a
        response is not above 0.
    running_index, pupil_index : (neuron,) -1..1, between the ends of one sweep, over the mean of the other.
    """
    axes = {"speed": np.unique(config.speeds), "pupil": np.unique(config.pupils)}
    timing = Timing.of(subject, config.blank, config.settle, config.seconds)
    screen = Screen(config.monitor, subject.frame_shape)
    pupil, running = _channels(subject)
    video = timing.after_blank(screen, _shown(screen, timing, config))

    def states() -> Iterator[np.ndarray]:
        for point in conditions.points(axes):
            state = subject.behavior.copy()
            state[running] = point["speed"]
            state[pupil] += point["pupil"]
            if state[pupil] <= 0:
                what, mend = (
                    f"leave a pupil of {state[pupil]:.3g} pixels",
                    f"the mouse's mean is {subject.behavior[pupil]:.3g}",
                )
                raise ConfigError(what, "pupils", mend)
            yield state

    clips = [subject.clip(video, state) for state in states()]
    response = conditions.mean_answers(subject, clips, axes, timing)
    return xr.Dataset({"response": response}).assign(summary(response))


def _channels(subject: Subject) -> tuple[int, int]:
    """Which channels of the behaviour are the pupil's size and the running speed."""
    for rules in BENCHMARKS.values():
        if len(rules.behavior) == len(subject.behavior):
            return rules.behavior.index(_PUPIL), rules.behavior.index(_RUNNING)
    known = " or ".join(str(len(rules.behavior)) for rules in BENCHMARKS.values())
    what = f"has {len(subject.behavior)} channels of behaviour"
    raise ConfigError(what, f"mouse '{subject.mouse}'", f"this experiment knows mice of {known}")


def _shown(screen: Screen, timing: Timing, config: Config) -> np.ndarray:
    frames = len(timing.times)
    if config.clip == "grey":
        return grey(screen, frames)
    if config.clip != "grating":
        return benchmark_stimulus(screen, config.clip, config.seed, frames)
    drift = {name: getattr(config, name) for name in ("direction", "spatial_frequency", "temporal_frequency")}
    conditions.require_gratings(screen, timing.rate, drift["spatial_frequency"], drift["temporal_frequency"])
    return grating(screen, timing.times, **drift)


def summary(response: xr.DataArray) -> dict[str, xr.DataArray]:
    """Gains and modulation indices (neuron,) of responses (neuron, speed, pupil)."""
    speed, pupil = xr.broadcast(response["speed"] / _RUNNING_UNIT, response["pupil"] / _PUPIL_UNIT)
    design = np.column_stack([np.ones(speed.size), speed.values.ravel(), pupil.values.ravel()])
    responses = response.values.reshape(len(response), -1).astype(np.float64)
    positive = np.asarray(responses.min(axis=1) > 0)
    logarithms = np.log(np.where(positive[:, None], responses, 1.0))
    fitted = np.linalg.lstsq(design, logarithms.T)[0]
    fitted[:, ~positive] = np.nan
    found = {
        "running_gain": xr.DataArray(fitted[1], dims="neuron"),
        "pupil_gain": xr.DataArray(fitted[2], dims="neuron"),
    }
    for name, axis, other in (("running", "speed", "pupil"), ("pupil", "pupil", "speed")):
        curve = response.mean(other)
        low, high = (curve.isel({axis: end}).drop_vars(axis) for end in (0, -1))
        found[f"{name}_index"] = ((high - low) / (high + low)).where(low + high > 0)
    return found


def draw(result: xr.Dataset) -> Figure:
    """Responses of neurons from the least to the most modulated by running, and the population's gains."""
    with page(2.4, 3.0) as (figure, strips):
        chosen = spread(result["running_gain"])
        speeds, pupils = result["speed"].values, result["pupil"].values
        shades = np.linspace(0.25, 1, len(pupils))
        for axis, neuron in examples(strips[0], result, chosen):
            for shade, pupil in zip(shades, pupils, strict=True):
                curve = result["response"].sel(pupil=pupil).values[neuron]
                axis.plot(speeds, curve, color=COLOURS[0], alpha=shade, label=f"{pupil:+g}")
            axis.set(xlabel="running, cm/s", ylim=(0, None))
            if neuron == chosen[0]:
                axis.set_ylabel("response")
                axis.legend(title="pupil, pixels", fontsize=6, title_fontsize=6)
        labels = {"running_gain": "gain of 20 cm/s", "pupil_gain": "gain of 15 pixels"}
        *ones, both = strips[1].subplots(1, 3)
        for place, (axis, (name, label)) in enumerate(zip(ones, labels.items(), strict=True)):
            histogram(axis, result[name], label, colour=place)
            axis.axvline(0, color=GUIDE, linewidth=1)
        both.scatter(result["running_gain"], result["pupil_gain"], 6, color=COLOURS[3])
        both.set(xlabel=labels["running_gain"], ylabel=labels["pupil_gain"])
        return figure
