"""A simulation is file by file what is published, the same every time, and survives a kill."""

import csv
import hashlib
import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sensorium_ray.benchmark import FAMILIES, MICE, SENSORIUM_2023
from sensorium_ray.data import summaries
from sensorium_ray.data.simulate import SCALES, VideoScale, simulate
from sensorium_ray.data.simulated import SimulatedMouse
from sensorium_ray.errors import ConfigError, DataError

TEST_TIERS = tuple(SENSORIUM_2023.test_tiers.values())
TINY = SCALES["tiny"]
SMALL = replace(TINY, neurons=(5,), train=4, frames=30, padded=36, cut=(29, 24), calibration=1)
SECTIONS = {"videos": (36, 64), "responses": None, "behavior": (2,), "pupil_center": (2,)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("simulated") / "mice"
    names = simulate(folder, TINY, seed=3)
    assert names == sorted(path.name for path in folder.iterdir() if path.name != "truth")
    return folder


@pytest.fixture(params=[0, 1], scope="module")
def mouse(request: pytest.FixtureRequest, folder: Path) -> Path:
    return sorted(folder.glob("dynamic*"))[request.param]


def truth_of(mouse: Path) -> Path:
    return mouse.parent / "truth" / mouse.name


def trials_of(mouse: Path) -> list[dict[str, str]]:
    with (truth_of(mouse) / "trials.csv").open() as file:
        return list(csv.DictReader(file))


def load(mouse: Path, section: str, trial: str | int) -> np.ndarray:
    return np.load(mouse / "data" / section / f"{trial}.npy", allow_pickle=False)


def neurons_of(mouse: Path) -> int:
    return len(np.load(mouse / "meta" / "neurons" / "unit_ids.npy"))


def valid_frames(array: np.ndarray) -> int:
    """Number of leading frames without NaN; all later ones must be NaN throughout."""
    flat = array.reshape(-1, array.shape[-1])
    frames = int((~np.isnan(flat).any(axis=0)).sum())
    assert not np.isnan(flat[:, :frames]).any()
    assert np.isnan(flat[:, frames:]).all()
    return frames


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_names_are_of_the_published_pattern_but_of_no_published_mouse(folder: Path) -> None:
    names = [path.name for path in folder.glob("dynamic*")]
    assert len(names) == 2
    for name in names:
        assert name.startswith("dynamic0000")
        assert len(name.split("-Video-")[1]) == 32
        assert name not in {facts.folder for facts in MICE}


def test_meta(mouse: Path) -> None:
    unit_ids = np.load(mouse / "meta/neurons/unit_ids.npy", allow_pickle=False)
    assert unit_ids.dtype == np.int64
    assert len(set(unit_ids)) == len(unit_ids) in TINY.neurons
    coordinates = np.load(mouse / "meta/neurons/cell_motor_coordinates.npy", allow_pickle=False)
    assert coordinates.shape == (len(unit_ids), 3)
    assert coordinates.dtype == np.int64
    assert json.loads((mouse / "config.json").read_text())["name"] == mouse.name


def test_trials_lie_as_published(mouse: Path) -> None:
    tiers = np.load(mouse / "meta/trials/tiers.npy", allow_pickle=False)
    assert tiers.dtype.kind == "U"
    assert set(tiers) == {"train", "oracle", "none", *TEST_TIERS}
    trials = trials_of(mouse)
    assert [int(trial["trial"]) for trial in trials] == [i for i, tier in enumerate(tiers) if tier != "none"]
    assert [trial["tier"] for trial in trials] == [tier for tier in tiers if tier != "none"]
    lengths = set()
    for section, shape in SECTIONS.items():
        files = {path.name for path in (mouse / "data" / section).iterdir()}
        assert files == {f"{trial['trial']}.npy" for trial in trials}
        for trial in trials:
            array = load(mouse, section, trial["trial"])
            assert array.shape == (*(shape or (neurons_of(mouse),)), TINY.padded)
            assert array.dtype == np.float64
            assert valid_frames(array) == valid_frames(load(mouse, "behavior", trial["trial"]))
            lengths.add(valid_frames(array))
    assert lengths == {TINY.frames, *TINY.cut}


def test_tiers_are_interleaved(mouse: Path) -> None:
    tiers = np.load(mouse / "meta/trials/tiers.npy")
    assert (tiers[1:] != tiers[:-1]).mean() > 0.5


def test_videos_hold_whole_grey_values(mouse: Path) -> None:
    video = load(mouse, "videos", trials_of(mouse)[0]["trial"])
    values = video[~np.isnan(video)]
    assert (values == np.rint(values)).all()
    assert 0 <= values.min() < values.max() <= 255


def test_responses_of_test_tiers_are_withheld_and_kept_in_the_truth(mouse: Path) -> None:
    for trial in trials_of(mouse):
        published = load(mouse, "responses", trial["trial"])
        frames = valid_frames(published)
        recorded = truth_of(mouse) / "responses" / f"{trial['trial']}.npy"
        rates = truth_of(mouse) / "rates" / f"{trial['trial']}.npy"
        assert recorded.exists() == (trial["tier"] in TEST_TIERS)
        assert rates.exists() == (trial["tier"] != "train")
        assert (published[:, :frames] == 0).all() == (trial["tier"] in TEST_TIERS)
        for path, dtype in ((recorded, np.float64), (rates, np.float32)):
            if path.exists():
                array = np.load(path, allow_pickle=False)
                assert array.dtype == dtype
                assert array.shape == published.shape
                assert valid_frames(array) == frames
                assert array[:, :frames].max() > 0


def test_repeats_show_one_video_to_another_behavior(mouse: Path) -> None:
    shown: dict[str, list[dict[str, str]]] = {}
    for trial in trials_of(mouse):
        shown.setdefault(trial["video"], []).append(trial)
    contents = set()
    for trials in shown.values():
        assert len({(trial["tier"], trial["family"]) for trial in trials}) == 1
        assert len(trials) == (1 if trials[0]["tier"] == "train" else TINY.repeats)
        videos = [load(mouse, "videos", trial["trial"]) for trial in trials]
        for video in videos[1:]:
            np.testing.assert_array_equal(video, videos[0])
        contents.add(videos[0].tobytes())
        if len(trials) > 1:
            first, second = (load(mouse, "behavior", trial["trial"]) for trial in trials[:2])
            assert not np.array_equal(first, second, equal_nan=True)
    assert len(contents) == len(shown)


def test_structure_is_the_published_one(folder: Path) -> None:
    families = set()
    for index, mouse in enumerate(sorted(folder.glob("dynamic*"))):
        trials = trials_of(mouse)
        for tier in ("oracle", "live_test_main", "final_test_main"):
            assert len({trial["video"] for trial in trials if trial["tier"] == tier}) == 6
        facts = MICE[5 + index]
        for tier, expected in (
            ("live_test_bonus", facts.live_families),
            ("final_test_bonus", facts.final_families),
        ):
            of_tier = {(trial["family"], trial["video"]) for trial in trials if trial["tier"] == tier}
            assert {family for family, _ in of_tier} == set(expected)
            for family in expected:
                videos = sum(1 for name, _ in of_tier if name == family)
                assert videos == (8 if family == "random_dots" else 6)
            families |= set(expected)
        assert sum(trial["tier"] == "train" for trial in trials) == TINY.train
    assert families == set(FAMILIES) - {"movie"}


def test_training_movies_are_shared_in_part_and_tested_ones_are_never_trained_on(folder: Path) -> None:
    videos = [
        {tier: {t["video"] for t in trials_of(mouse) if t["tier"] == tier} for tier in ("train", *TEST_TIERS)}
        for mouse in sorted(folder.glob("dynamic*"))
    ]
    assert videos[0]["train"] & videos[1]["train"]
    assert videos[0]["train"] != videos[1]["train"]
    for mouse in videos:
        for other in videos:
            assert not mouse["train"] & set().union(*(other[tier] for tier in TEST_TIERS))


def test_statistics_are_those_of_the_training_trials_at_each_time_point(mouse: Path) -> None:
    train = [trial["trial"] for trial in trials_of(mouse) if trial["tier"] == "train"]
    valid = slice(0, TINY.frames)
    for section in SECTIONS:
        values = np.stack([load(mouse, section, trial) for trial in train])
        for name in ("mean", "median", "std", "min", "max"):
            path = mouse / "meta/statistics" / section / "all" / f"{name}.npy"
            published = np.load(path, allow_pickle=False)
            assert published.dtype == np.float64
            assert published.shape == values.shape[1:]
            expected = getattr(np, f"nan{name}")(values[..., valid], axis=0)
            np.testing.assert_allclose(published[..., valid], expected, rtol=1e-10, atol=1e-12)
            assert np.isnan(published[..., TINY.frames :]).all()


def test_statistics_do_not_depend_on_the_block_size(mouse: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = sorted((mouse / "data/responses").iterdir())[:5]
    whole = summaries.summarise(files)
    monkeypatch.setattr(summaries, "_BLOCK_BYTES", 1000)
    for name, values in summaries.summarise(files).items():
        np.testing.assert_array_equal(values, whole[name])


def test_truth_says_what_made_it(folder: Path, mouse: Path) -> None:
    truth = json.loads((folder / "truth/truth.json").read_text())
    assert (truth["scale"], truth["seed"]) == ("tiny", 3)
    assert truth["configuration"]["frames"] == TINY.frames
    assert truth["version"] >= 1
    with (truth_of(mouse) / "neurons.csv").open() as file:
        neurons = list(csv.DictReader(file))
    unit_ids = np.load(mouse / "meta/neurons/unit_ids.npy")
    assert [int(neuron["unit_id"]) for neuron in neurons] == unit_ids.tolist()
    assert all(0 < float(neuron["ceiling"]) <= 0.75 for neuron in neurons)


def test_rates_predict_the_withheld_responses(mouse: Path) -> None:
    rates, responses = [], []
    for path in sorted((truth_of(mouse) / "responses").iterdir()):
        frames = valid_frames(np.load(path))
        responses.append(np.load(path)[:, :frames])
        rates.append(np.load(truth_of(mouse) / "rates" / path.name)[:, :frames])
    rate, response = np.concatenate(rates, axis=1), np.concatenate(responses, axis=1)
    correlations = [np.corrcoef(a, b)[0, 1] for a, b in zip(rate, response, strict=True)]
    assert np.mean(correlations) > 0.25
    assert response.sum() / rate.sum() == pytest.approx(1, abs=0.1)


def test_a_killed_simulation_goes_on_and_ends_as_one_that_was_not(tmp_path: Path) -> None:
    cut_short, whole = tmp_path / "cut short", tmp_path / "whole"
    script = (
        "import sys; from pathlib import Path; from dataclasses import replace;"
        "from sensorium_ray.data.simulate import SCALES, simulate;"
        "simulate(Path(sys.argv[1]), replace(SCALES['tiny'], neurons=(5,), train=4, frames=30, padded=36,"
        " cut=(29, 24), calibration=1), seed=1)"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(cut_short)], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while len(list(cut_short.glob("dynamic*/data/videos/*.npy"))) < 10:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (cut_short / "truth/truth.json").exists()
    before = {path: path.stat().st_mtime_ns for path in cut_short.glob("dynamic*/data/videos/*.npy")}
    simulate(cut_short, SMALL, seed=1)
    assert all(path.stat().st_mtime_ns == made for path, made in before.items())
    simulate(whole, SMALL, seed=1)
    assert digests(cut_short) == digests(whole)


def test_another_seed_gives_another_simulation(tmp_path: Path, folder: Path) -> None:
    (name,) = simulate(tmp_path / "mice", replace(SMALL, train=2), seed=9)
    assert not (folder / name).exists()


def test_a_finished_simulation_is_not_touched(folder: Path) -> None:
    with pytest.raises(DataError, match="finished simulation already"):
        simulate(folder, TINY, seed=3)


@pytest.mark.parametrize(("scale", "seed"), [(SMALL, 2), (replace(SMALL, train=5), 1)])
def test_an_unfinished_simulation_of_something_else_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scale: VideoScale, seed: int
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(SimulatedMouse, "write", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            simulate(tmp_path, SMALL, seed=1)
    with pytest.raises(DataError, match="another release, scale, seed or version"):
        simulate(tmp_path, scale, seed)


def test_a_folder_with_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(DataError, match="not a simulation"):
        simulate(tmp_path, SMALL, seed=1)
    with pytest.raises(DataError, match="not a simulation"):
        simulate(tmp_path / "thesis.txt", SMALL, seed=1)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_full_disk_is_noticed_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"needs [\d.e+]+ GB, the disk has [\d.]+ GB free"):
        simulate(tmp_path / "mice", replace(SMALL, padded=10**9), seed=0)
    assert not list(tmp_path.iterdir())


def test_a_negative_seed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="negative"):
        simulate(tmp_path, SMALL, seed=-1)


def test_more_mice_take_turns_in_size() -> None:
    assert TINY.with_mice(3).neurons == (24, 18, 24)
    assert TINY.with_mice(1).neurons == (24,)
