"""The picture of mice: it shows what they hold, says its units, and is whole or not there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.text import Text

from sensorium_ray.benchmark import SENSORIUM_2022, SENSORIUM_2023, Benchmark
from sensorium_ray.data.describe import MouseSummary, SurveyedMouse, TierSummary
from sensorium_ray.data.raw import RawTrial
from sensorium_ray.data.store import TrialInfo
from sensorium_ray.errors import ConfigError
from sensorium_ray.report.describe_plot import write_plot

NEURONS = 7


def _mouse(rules: Benchmark, frames: int) -> SurveyedMouse:
    def read(trial: int) -> RawTrial:
        rng = np.random.default_rng(trial)
        return RawTrial(
            rng.uniform(0, 255, (frames, 4, 6)),
            rng.gamma(0.5, 2, (NEURONS, frames)),
            rng.normal(10, 1, (len(rules.behavior), frames)),
            rng.normal(150, 5, (2, frames)),
        )

    trials = [TrialInfo(trial, "train" if trial else rules.oracle, frames, str(trial), "") for trial in range(5)]
    tiers = [
        TierSummary("train", 4, (frames, frames), 4, (1, 1)),
        TierSummary(rules.oracle, 1, (frames, frames), 1, (1, 1)),
    ]
    summary = MouseSummary("a mouse", rules.name, NEURONS, (4, 6), None, None, (), 1.0, 2.0, tiers)
    return SurveyedMouse(summary, rules, np.linspace(0.1, 3, NEURONS), trials, read)


@pytest.fixture
def words(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is written in the pictures that are drawn."""
    found: list[str] = []

    def texts(artist: Artist) -> Iterator[str]:
        for child in artist.get_children():
            if isinstance(child, Text):
                yield child.get_text().replace("\n", " ")
            yield from texts(child)

    def save(figure: Figure, *args: object, **options: object) -> None:
        savefig(figure, *args, **options)
        found.extend(texts(figure))

    savefig = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", save)
    return found


def test_a_trial_is_drawn_over_time(tmp_path: Path, words: list[str]) -> None:
    write_plot([_mouse(SENSORIUM_2023, 30)], tmp_path / "mice.png")
    wanted = {"time (s)", "response (a.u.)", "running speed (cm/s)", "pupil dilation (px)", "mean response (a.u.)"}
    assert wanted <= set(words)
    assert {"train", "oracle", "trials", "responses, trial 1, train"} <= set(words)


def test_images_are_drawn_one_after_another(tmp_path: Path, words: list[str]) -> None:
    write_plot([_mouse(SENSORIUM_2022, 1)], tmp_path / "mice.png")
    assert {"image, in the order shown", "its change (px/s)", "responses, 4 images, train"} <= set(words)
    assert "time (s)" not in words


def test_what_is_absent_is_called_so(tmp_path: Path, words: list[str]) -> None:
    mouse = _mouse(SENSORIUM_2022, 1)
    write_plot([replace(mouse, summary=replace(mouse.summary, absent=("behavior",)))], tmp_path / "mice.png")
    assert words.count("absent") == 3


@pytest.mark.parametrize("means", [None, np.zeros(NEURONS)])
def test_mice_without_known_responses_are_drawn_too(tmp_path: Path, means: np.ndarray | None) -> None:
    mouse = replace(_mouse(SENSORIUM_2023, 1), response_means=means, trials=[TrialInfo(3, "oracle", 1, "", "")])
    write_plot([mouse, mouse], tmp_path / "mice.png")
    assert (tmp_path / "mice.png").is_file()


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'mice\.pdf' is no name of a PNG file"):
        write_plot([_mouse(SENSORIUM_2023, 3)], tmp_path / "mice.pdf")


def test_a_picture_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(figure: Figure, partial: Path, **_: object) -> None:
        partial.write_bytes(b"half")
        raise RuntimeError("no more")

    monkeypatch.setattr(Figure, "savefig", fail)
    with pytest.raises(RuntimeError):
        write_plot([_mouse(SENSORIUM_2023, 3)], tmp_path / "mice.png")
    assert list(tmp_path.iterdir()) == []
