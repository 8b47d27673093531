"""Responses to natural clips: simulated natural movies, or what a recorded mouse saw, beside what it responded.

Sparseness is the lifetime sparseness of Vinje & Gallant (2000, Science 287).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from ...benchmark import EvalWindow
from ...data.clip import Clip
from ...data.store import MouseData, TrialInfo, open_store
from ...errors import DataError
from ...metrics.statistics import CoMoments
from ...report.figures import COLOURS
from .. import conditions
from ..conditions import Timing
from ..drawing import EXAMPLES, examples, histogram, page
from ..patterns import benchmark_stimulus
from ..screen import MONITOR, Screen
from ..sparseness import lifetime_sparseness
from ..subject import Subject

LOCAL = ("store",)
"""Settings that name files on the machine that makes the experiment: an endpoint refuses them."""


@dataclass(frozen=True, slots=True)
class Config:
    """Settings.

    Parameters
    ----------
    clips : how many, of different videos.
    seed : of the first movie; the others' follow.
    settle : seconds of a movie before responses count.
    seconds : of a movie while they count.
    store : frame store with this mouse: its oracle trials are shown, as long as they are and with the behaviour that
        was recorded, and the frames count that count in its benchmark; '': movies are shown, in the mean state.
    """

    clips: int = 8
    seed: int = 0
    settle: float = 1.7
    seconds: float = 8.3
    store: str = ""

    def __post_init__(self) -> None:
        conditions.require_least("clips", self.clips, 1)
        conditions.require_least("seed", self.seed, 0)


@dataclass(frozen=True, slots=True)
class _Shown:
    """Clips by the names of their videos, the frames of them that count, and what was recorded to them."""

    clips: dict[str, Clip]
    window: EvalWindow
    recorded: list[np.ndarray]


def measure(subject: Subject, config: Config) -> xr.Dataset:
    """Responses to every clip, frame by frame.

    Returns
    -------
    response : (neuron, clip, frame) float32, to all frames; NaN after a shorter clip's end. `time` of a frame is in
        seconds, `video` of a clip is its name.
    mean_response, sparseness : (neuron, clip) and (neuron,), over the frames that count.
    recorded : (neuron, clip, frame), and single_trial_correlation (neuron,) of it with the response, over the frames
        that count in all clips; with a store only.

    Raises
    ------
    DataError : the store has not this mouse, these neurons or an oracle trial.
    """
    shown = _recorded(subject, config) if config.store else _movies(subject, config)
    answers = list(subject.ask(shown.clips.values(), len(shown.clips)))
    frames = max(answer.shape[1] for answer in answers)
    coordinates = {
        "video": ("clip", [*shown.clips]),
        "time": ("frame", np.arange(frames) / subject.rate),
    }
    dims = ("neuron", "clip", "frame")
    result = xr.Dataset({"response": (dims, _together(answers, frames))}, coordinates)
    counted = result["response"].copy()
    for place, answer in enumerate(answers):
        window = shown.window.slice(answer.shape[1])
        counted[:, place, : window.start] = np.nan
        counted[:, place, window.stop :] = np.nan
    result["mean_response"] = counted.mean("frame")
    result["sparseness"] = lifetime_sparseness(counted, ["clip", "frame"])
    if shown.recorded:
        result["recorded"] = (dims, _together(shown.recorded, frames))
        pairs = [
            np.stack(pair)[:, :, shown.window.slice(pair[0].shape[1])]
            for pair in zip(shown.recorded, answers, strict=True)
        ]
        correlation = CoMoments.of(np.concatenate(pairs, axis=2)).correlation(0, 1)
        result["single_trial_correlation"] = ("neuron", correlation)
    return result


def _movies(subject: Subject, config: Config) -> _Shown:
    timing = Timing.of(subject, 0.0, config.settle, config.seconds)
    screen = Screen(MONITOR, subject.frame_shape)
    seeds = range(config.seed, config.seed + config.clips)
    movies = {f"movie {seed}": benchmark_stimulus(screen, "movie", seed, len(timing.times)) for seed in seeds}
    clips = {name: subject.clip(movie) for name, movie in movies.items()}
    return _Shown(clips, EvalWindow(timing.settle, None), [])


def _recorded(subject: Subject, config: Config) -> _Shown:
    store = open_store(config.store)
    mouse = store[subject.mouse]
    firsts: dict[str, TrialInfo] = {}
    for info in mouse.select(store.benchmark.oracle):
        firsts.setdefault(info.video, info)
    chosen = dict([*firsts.items()][: config.clips])
    if not chosen:
        raise DataError(f"has no trial of the tier '{store.benchmark.oracle}'", str(mouse.path), "name another store")
    neurons = _places(subject, mouse)
    clips = {video: mouse.clip(info.trial) for video, info in chosen.items()}
    recorded = [mouse.responses(info.trial)[neurons] for info in chosen.values()]
    return _Shown(clips, store.benchmark.window, recorded)


def _places(subject: Subject, mouse: MouseData) -> np.ndarray:
    """Where the subject's neurons are among the store's."""
    places = {unit: place for place, unit in enumerate(mouse.unit_ids.tolist())}
    missing = [unit for unit in subject.unit_ids.tolist() if unit not in places]
    if missing:
        what = f"has no unit {missing[0]} of mouse '{subject.mouse}'"
        raise DataError(what, str(mouse.path), "name the store that the model was trained on")
    return np.array([places[unit] for unit in subject.unit_ids.tolist()])


def _together(responses: list[np.ndarray], frames: int) -> np.ndarray:
    """Responses (neurons, some frames) each as one array (neurons, clips, frames), filled up with NaN."""
    together = np.full((len(responses[0]), len(responses), frames), np.nan, np.float32)
    for place, response in enumerate(responses):
        together[:, place, : response.shape[1]] = response
    return together


def draw(result: xr.Dataset) -> Figure:
    """Responses of six neurons to the first clip, and the population's sparseness and, where known, correlation."""
    with page(4.2, 2.6) as (figure, strips):
        shown = np.isfinite(result["response"].values[0, 0])
        time = result["time"].values[shown]
        best = result.get("single_trial_correlation", result["mean_response"].mean("clip"))
        chosen = np.argsort(-best.values)[:EXAMPLES]
        for axis, neuron in examples(strips[0], result, chosen, rows=3):
            if "recorded" in result:
                recorded = result["recorded"].values[neuron, 0, shown]
                axis.fill_between(time, recorded, color="#dddddd", step="mid", label="recorded")
            response = result["response"].values[neuron, 0, shown]
            axis.plot(time, response, color=COLOURS[0], linewidth=1.2, label="response")
            axis.set(xlim=(0, time[-1]), ylim=(0, None))
            if neuron == chosen[0]:
                axis.legend(fontsize=7, loc="upper right")
        strips[0].supxlabel("seconds", fontsize=9)
        sparse, other = strips[1].subplots(1, 2)
        histogram(sparse, result["sparseness"], "lifetime sparseness", colour=1)
        label = "single-trial correlation" if "recorded" in result else "mean response"
        histogram(other, best, label, colour=2)
        return figure
