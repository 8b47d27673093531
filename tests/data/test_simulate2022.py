"""A simulation of 2022 is file by file what is published, the same every time, and survives a kill."""

import csv
import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_simulate import digests, load, neurons_of, trials_of, truth_of

from sensorium_ray.benchmark import SENSORIUM_2022
from sensorium_ray.data import stimuli
from sensorium_ray.data.raw import find_mice
from sensorium_ray.data.raw2022 import reduce_image
from sensorium_ray.data.simulate import SCALES, SCALES_2022, simulate
from sensorium_ray.data.summaries import STATISTICS
from sensorium_ray.data.truth import Truth
from sensorium_ray.errors import DataError

TINY = SCALES_2022["tiny"]
SMALL = replace(TINY, neurons=(5,), train=30, calibration=1)
SECTIONS = {"images": (1, 144, 256), "responses": None, "behavior": (3,), "pupil_center": (2,)}
TEST_TIERS = {"test", "final_test"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("simulated") / "mice"
    names = simulate(folder, TINY, seed=3)
    assert names == sorted(path.name for path in folder.iterdir() if path.name != "truth")
    return folder


@pytest.fixture(params=[0, 1], scope="module")
def mouse(request: pytest.FixtureRequest, folder: Path) -> Path:
    return sorted(folder.glob("static*"))[request.param]


def test_names_are_of_the_published_pattern_but_of_no_published_mouse(folder: Path) -> None:
    for name in (path.name for path in folder.glob("static*")):
        assert name.startswith("static0000")
        assert len(name.split("-GrayImageNet-")[1]) == 32


def test_trials_lie_as_published(mouse: Path) -> None:
    trials = trials_of(mouse)
    for section, shape in SECTIONS.items():
        files = {path.name for path in (mouse / "data" / section).iterdir()}
        assert files == {f"{trial}.npy" for trial in range(len(trials))}
        for trial in range(len(trials)):
            array = load(mouse, section, trial)
            assert array.shape == (shape or (neurons_of(mouse),))
            assert array.dtype == np.float64
            assert np.isfinite(array).all()
    image = load(mouse, "images", 0)
    assert (image == np.rint(image)).all()
    assert 0 <= image.min() < image.max() <= 255


def test_meta(mouse: Path) -> None:
    trials, neurons = trials_of(mouse), neurons_of(mouse)

    def meta(name: str) -> np.ndarray:
        return np.load(mouse / "meta" / f"{name}.npy", allow_pickle=False)

    assert meta("trials/tiers").tolist() == [trial["tier"] for trial in trials]
    assert set(meta("trials/tiers")) == set(SENSORIUM_2022.tiers) - {"none"}
    assert meta("trials/frame_image_id").tolist() == [int(trial["video"]) for trial in trials]
    assert meta("trials/frame_image_class").tolist() == ["imagenet"] * len(trials)
    assert len(set(meta("trials/trial_idx"))) == len(trials)
    assert meta("neurons/cell_motor_coordinates").shape == (neurons, 3)
    for name in ("area", "layer", "animal_ids", "sessions", "scan_idx"):
        assert meta(f"neurons/{name}").shape == (neurons,)
    animal = int(mouse.name.removeprefix("static").split("-")[0])
    assert set(meta("neurons/animal_ids")) == {animal}


def test_training_images_are_shown_once_and_test_images_again_to_another_behavior(mouse: Path) -> None:
    shown: dict[str, list[dict[str, str]]] = {}
    for trial in trials_of(mouse):
        assert trial["family"] == "images"
        shown.setdefault(trial["video"], []).append(trial)
    contents = set()
    for trials in shown.values():
        (tier,) = {trial["tier"] for trial in trials}
        assert len(trials) == (TINY.repeats if tier in TEST_TIERS else 1)
        images = [load(mouse, "images", trial["trial"]) for trial in trials]
        assert all(np.array_equal(image, images[0]) for image in images)
        contents.add(images[0].tobytes())
        behaviors = {load(mouse, "behavior", trial["trial"]).tobytes() for trial in trials}
        assert len(behaviors) == len(trials)
    assert len(contents) == len(shown) == TINY.train + TINY.validation + 2 * TINY.tested


def test_mice_share_test_images_and_a_part_of_the_others(folder: Path) -> None:
    first, second = (
        {(trial["tier"], trial["video"]) for trial in trials_of(mouse)} for mouse in sorted(folder.glob("static*"))
    )
    assert {shown for shown in first if shown[0] in TEST_TIERS} == {shown for shown in second if shown[0] in TEST_TIERS}
    assert {video for _, video in first & second} > {video for tier, video in first if tier in TEST_TIERS}
    assert first != second


def test_responses_of_test_tiers_are_withheld_and_kept_in_the_truth(mouse: Path) -> None:
    truth = Truth.open(mouse.parent)
    for trial in trials_of(mouse):
        number, tier = int(trial["trial"]), trial["tier"]
        assert truth.has_responses(mouse.name, number) == (tier in TEST_TIERS)
        assert truth.has_rates(mouse.name, number) == (tier != "train")
        assert truth.family(mouse.name, number) == "images"
        assert load(mouse, "responses", number).any() == (tier not in TEST_TIERS)
        if tier in TEST_TIERS:
            assert truth.responses(mouse.name, number).shape == (neurons_of(mouse), 1)
        if tier != "train":
            rates = truth.rates(mouse.name, number)
            assert rates.shape == (neurons_of(mouse), 1)
            assert (rates > 0).all()


def test_rates_predict_the_withheld_responses(mouse: Path) -> None:
    truth = Truth.open(mouse.parent)
    tested = [int(trial["trial"]) for trial in trials_of(mouse) if trial["tier"] in TEST_TIERS]
    rate = np.concatenate([truth.rates(mouse.name, trial) for trial in tested], axis=1)
    response = np.concatenate([truth.responses(mouse.name, trial) for trial in tested], axis=1)
    correlations = [np.corrcoef(a, b)[0, 1] for a, b in zip(rate, response, strict=True) if b.any()]
    assert 0.3 < np.mean(correlations) < 0.9
    assert response.mean() / rate.mean() == pytest.approx(1, abs=0.4)


def test_statistics_are_those_of_the_training_trials(mouse: Path) -> None:
    train = [trial["trial"] for trial in trials_of(mouse) if trial["tier"] == "train"]
    for section in SECTIONS:
        values = np.stack([load(mouse, section, trial) for trial in train])
        for name in STATISTICS:
            folder = mouse / "meta" / "statistics" / section
            published = np.load(folder / "all" / f"{name}.npy", allow_pickle=False)
            expected = getattr(np, name)(values, axis=None if section == "images" else 0)
            assert published.dtype == np.float64
            assert published.shape == np.shape(expected)
            np.testing.assert_allclose(published, expected, rtol=1e-10, atol=1e-12)
            assert np.array_equal(published, np.load(folder / "stimulus_Frame" / f"{name}.npy"))


def test_behavior_is_pupil_its_change_and_speed(mouse: Path) -> None:
    behavior = np.stack([load(mouse, "behavior", trial["trial"]) for trial in trials_of(mouse)])
    pupil, change, speed = behavior.T
    assert 18 <= pupil.min() < pupil.max() <= 95
    assert abs(np.median(change)) < 5
    assert change.min() < 0 < change.max()
    assert 0 <= speed.min() < speed.max() <= 47


def test_the_reader_takes_what_the_simulator_writes(folder: Path) -> None:
    for mouse in find_mice(folder):
        assert mouse.benchmark is SENSORIUM_2022
        assert mouse.absent == ()
        for trial in mouse.trials:
            read = mouse.read(trial)
            image = load(folder / mouse.name, "images", trial)[0]
            np.testing.assert_array_equal(read.video[0], reduce_image(image).astype(np.float32))
            assert read.responses.shape == (mouse.neurons, 1)


def test_images_look_natural_and_have_detail_that_the_reduction_loses() -> None:
    images = np.stack([stimuli.still_image(np.random.default_rng(seed), (144, 256)) for seed in range(40)]).astype(
        float
    )
    assert images.mean() == pytest.approx(80, abs=12)
    assert images.std() == pytest.approx(60, abs=8)
    assert np.median(images) < images.mean()
    window = np.outer(np.hanning(144), np.hanning(256))
    amplitude = np.abs(np.fft.fft2((images - images.mean(axis=(1, 2), keepdims=True)) * window)).mean(axis=0)
    frequency = np.hypot(*np.meshgrid(*map(np.fft.fftfreq, (144, 256)), indexing="ij"))
    band = (frequency > 0.03) & (frequency < 0.4)
    slope = np.polyfit(np.log(frequency[band]), np.log(amplitude[band]), 1)[0]
    assert slope == pytest.approx(-1.1, abs=0.2)
    reduced = np.stack([reduce_image(image) for image in images])
    block_means = images.reshape(len(images), 36, 4, 64, 4).mean(axis=(2, 4))
    assert (reduced - block_means).std() > 8
    assert reduced.std() == pytest.approx(57, abs=8)  # what the neurons were calibrated on


def test_truth_says_what_made_it(folder: Path, mouse: Path) -> None:
    truth = json.loads((folder / "truth/truth.json").read_text())
    assert (truth["release"], truth["scale"], truth["seed"]) == (2022, "tiny", 3)
    with (truth_of(mouse) / "neurons.csv").open() as file:
        assert len(list(csv.DictReader(file))) == neurons_of(mouse)


def test_the_same_seed_gives_the_same_files_and_another_seed_others(tmp_path: Path) -> None:
    small = replace(SMALL, train=4)
    (first,) = simulate(tmp_path / "first", small, seed=1)
    simulate(tmp_path / "second", small, seed=1)
    (other,) = simulate(tmp_path / "other", small, seed=2)
    assert digests(tmp_path / "first") == digests(tmp_path / "second")
    assert other != first
    assert not np.array_equal(
        load(tmp_path / "first" / first, "images", 0), load(tmp_path / "other" / other, "images", 0)
    )


def test_a_killed_simulation_goes_on_and_ends_as_one_that_was_not(tmp_path: Path) -> None:
    cut_short, whole = tmp_path / "cut short", tmp_path / "whole"
    script = (
        "import sys; from dataclasses import replace;"
        "from sensorium_ray.data.simulate import SCALES_2022, simulate;"
        "simulate(sys.argv[1], replace(SCALES_2022['tiny'], neurons=(5,), train=30, calibration=1), seed=1)"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(cut_short)], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while len(list(cut_short.glob("static*/data/images/*.npy"))) < 10:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    with pytest.raises(DataError, match="unfinished"):
        Truth.open(cut_short)
    before = {path: path.stat().st_mtime_ns for path in cut_short.glob("static*/data/*/*.npy")}
    simulate(cut_short, SMALL, seed=1)
    assert all(path.stat().st_mtime_ns == made for path, made in before.items())
    simulate(whole, SMALL, seed=1)
    assert digests(cut_short) == digests(whole)


def test_one_release_does_not_go_on_with_the_other(tmp_path: Path) -> None:
    simulate(tmp_path, replace(SMALL, train=2), seed=1)
    (tmp_path / "truth/truth.json").rename(tmp_path / "truth/started.json")
    with pytest.raises(DataError, match="of another release, scale, seed or version"):
        simulate(tmp_path, SCALES["tiny"], seed=1)


def test_command_line(tmp_path: Path) -> None:
    arguments = ["simulate", tmp_path / "mice", "--release", "2022", "--scale", "tiny", "--mice", "1", "--json"]
    command = [sys.executable, "-c", "from sensorium_ray.cli import main; main()", *map(str, arguments)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    (name,) = json.loads(answer.stdout)["mice"]
    assert name.startswith("static00001-1-1-GrayImageNet-")
    assert (tmp_path / "mice" / name / "data/images/0.npy").is_file()
