from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from fake_mouse import FRAME_SHAPE, FRAMES, MOUSE, NEURONS, PADDED, SHORT, TIERS, write_mouse

from sensorium_ray.benchmark import SENSORIUM_2023
from sensorium_ray.data.raw import RawMouse, find_mice
from sensorium_ray.errors import DataError

TRIAL = 2


@pytest.fixture
def mouse(tmp_path: Path) -> Path:
    return write_mouse(tmp_path / "mice")


def open_(folder: Path) -> RawMouse:
    (mouse,) = find_mice(folder)
    return mouse


def read_all(folder: Path) -> None:
    for mouse in find_mice(folder):
        for trial in mouse.trials:
            mouse.read(trial)
        mouse.statistics  # noqa: B018


def change(field: str, edit: Callable[[np.ndarray], object]) -> Callable[[Path], None]:
    """Edit a trial's array in place, or replace it by what `edit` returns."""

    def run(mouse: Path) -> None:
        path = mouse / "data" / field / f"{TRIAL}.npy"
        array = np.load(path)
        edited = edit(array)
        np.save(path, array if edited is None else edited)

    return run


def put(value: float, *where: int | slice) -> Callable[[np.ndarray], None]:
    def edit(array: np.ndarray) -> None:
        array[where] = value

    return edit


def meta(name: str, edit: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    def run(mouse: Path) -> None:
        path = mouse / "meta" / name
        np.save(path, edit(np.load(path)))

    return run


def on_file(name: str, act: Callable[[Path], object]) -> Callable[[Path], None]:
    return lambda mouse: act(mouse / name) and None


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def tiers_with(index: int, tier: str) -> Callable[[np.ndarray], np.ndarray]:
    def edit(tiers: np.ndarray) -> np.ndarray:
        tiers = tiers.astype("U32")
        tiers[index] = tier
        return tiers

    return edit


VIDEO = f"data/videos/{TRIAL}.npy"
RESPONSES = f"data/responses/{TRIAL}.npy"
IDS = "neurons/unit_ids.npy"
PLACES = "neurons/cell_motor_coordinates.npy"
TIER_FILE = "trials/tiers.npy"

FAULTS = {
    "missing trial": (
        on_file(VIDEO, Path.unlink),
        VIDEO,
        "file is missing, though tiers.npy has trial 2 as 'train'",
    ),
    "missing meta": (on_file(f"meta/{IDS}", Path.unlink), IDS, "file is missing"),
    "cut off": (on_file(VIDEO, cut), VIDEO, "cut off or damaged"),
    "cut in header": (
        on_file(VIDEO, lambda path: path.write_bytes(path.read_bytes()[:20])),
        VIDEO,
        "cut off",
    ),
    "empty": (on_file(RESPONSES, lambda path: path.write_bytes(b"")), RESPONSES, "file is empty"),
    "not npy": (on_file(VIDEO, lambda path: path.write_text("hello")), VIDEO, "is not an npy file"),
    "a pickle": (on_file(VIDEO, lambda path: path.write_bytes(b"\x80\x04N.")), VIDEO, "is not an npy file"),
    "folder": (on_file(VIDEO, lambda path: (path.unlink(), path.mkdir())), VIDEO, "may not be read"),
    "objects": (change("videos", lambda array: array.astype(object)), VIDEO, "pickled Python objects"),
    "text": (
        change("videos", lambda array: array.astype(str)),
        VIDEO,
        "has dtype <U32; save it again as real",
    ),
    "complex": (change("responses", lambda array: array + 1j), RESPONSES, "has dtype complex128"),
    "two axes": (
        change("videos", lambda array: array[0]),
        VIDEO,
        "has shape (6, 24); give (height, width, frames)",
    ),
    "no frames": (change("behavior", lambda array: array[:, :0]), "behavior", "has shape (2, 0)"),
    "video turned": (
        change("videos", lambda array: array.transpose(2, 0, 1)),
        VIDEO,
        "axes look like (frames, height, width); published files are (height, width, frames)",
    ),
    "responses turned": (change("responses", np.transpose), RESPONSES, "axes look like (frames, neurons)"),
    "behavior turned": (change("behavior", np.transpose), "behavior", "axes look like (frames, channels)"),
    "pupil turned": (
        change("pupil_center", np.transpose),
        "pupil_center",
        "axes look like (frames, channels)",
    ),
    "three channels": (
        change("behavior", lambda array: np.vstack([array, array[:1]])),
        "behavior",
        "holds 3 channels instead of 2",
    ),
    "other frames": (
        change("videos", lambda array: array[..., :-1]),
        VIDEO,
        "holds 23 frames, the responses of the trial 24",
    ),
    "fewer responses": (
        change("responses", lambda array: array[:-1]),
        RESPONSES,
        "holds 4 neurons, meta/neurons",
    ),
    "fewer ids": (meta(IDS, lambda ids: ids[:-1]), PLACES, "has shape (5, 3) beside 4 neurons"),
    "fewer places": (meta(PLACES, lambda places: places[:-1]), PLACES, "has shape (4, 3) beside 5 neurons"),
    "NaN place": (meta(PLACES, lambda places: places * np.nan), PLACES, "holds NaN"),
    "id twice": (meta(IDS, np.zeros_like), IDS, "names a unit id twice"),
    "id and a half": (meta(IDS, lambda ids: ids + 0.5), IDS, "no integers"),
    "ids as text": (meta(IDS, lambda ids: ids.astype(str)), IDS, "give one integer a neuron"),
    "all NaN": (change("responses", put(np.nan)), RESPONSES, "holds no valid frame"),
    "NaN inside": (
        change("responses", put(np.nan, 1, 7)),
        RESPONSES,
        "NaN at frame 7 lies inside the valid part, which lasts to frame 19",
    ),
    "NaN at start": (
        change("behavior", put(np.nan, slice(None), 0)),
        "behavior",
        "NaN at frame 0 lies inside",
    ),
    "infinite": (change("pupil_center", put(np.inf, 0, 3)), "pupil_center", "infinite values"),
    "infinite tail": (change("responses", put(-np.inf, 0, -1)), RESPONSES, "infinite values"),
    "too bright": (change("videos", put(256, 0, 0, 3)), VIDEO, "to 256; give grey levels from 0 to 255"),
    "below black": (change("videos", put(-1, 0, 0, 3)), VIDEO, "holds values from -1 to"),
    "unknown tier": (
        meta(TIER_FILE, tiers_with(1, "validation")),
        TIER_FILE,
        "trial 1 has the unknown tier 'validation'; known are train, oracle,",
    ),
    "tiers too short": (meta(TIER_FILE, lambda tiers: tiers[:-1]), "15.npy", "has no tier"),
    "tiers too long": (
        meta(TIER_FILE, lambda tiers: np.append(tiers, "train")),
        "16.npy",
        "file is missing, though tiers.npy has trial 16 as 'train'",
    ),
    "tiers as numbers": (
        meta(TIER_FILE, lambda tiers: np.arange(len(tiers))),
        TIER_FILE,
        "give one tier name",
    ),
    "only none": (meta(TIER_FILE, lambda tiers: np.full(len(tiers), "none")), TIER_FILE, "names no trial"),
    "bad statistics": (
        on_file("meta/statistics/videos/all/mean.npy", cut),
        "statistics/videos/all/mean.npy",
        "cut off",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_told_in_one_sentence(mouse: Path, fault: str) -> None:
    spoil, where, what = FAULTS[fault]
    spoil(mouse)
    with pytest.raises(DataError) as caught:
        read_all(mouse)
    assert what in str(caught.value)
    assert where in caught.value.where
    assert caught.value.mend
    assert "\n" not in str(caught.value)


def test_damaged_header_is_a_data_error(mouse: Path) -> None:
    """Whatever byte of the header is wrong, nothing but a DataError comes out, or the array is read."""
    path = mouse / VIDEO
    whole = path.read_bytes()
    random = np.random.default_rng(0)
    for position in random.integers(0, 128, 60):
        damaged = bytearray(whole)
        damaged[position] = random.integers(0, 256)
        path.write_bytes(damaged)
        with suppress(DataError):
            open_(mouse).read(TRIAL)


def test_read_gives_valid_frames(mouse: Path) -> None:
    raw = open_(mouse)
    trial = raw.read(SHORT)
    assert trial.video.shape == (FRAMES - 1, *FRAME_SHAPE)
    assert trial.responses.shape == (NEURONS, FRAMES - 1)
    assert trial.behavior.shape == trial.pupil_center.shape == (2, FRAMES - 1)
    published = np.load(mouse / "data" / "videos" / f"{SHORT}.npy")
    for frame in range(FRAMES - 1):
        assert np.array_equal(trial.video[frame], published[:, :, frame].astype(np.float32))
    assert {trial.video.dtype, trial.responses.dtype, trial.behavior.dtype} == {np.dtype(np.float32)}


def test_shortest_valid_part_counts(mouse: Path) -> None:
    change("behavior", put(np.nan, slice(None), slice(FRAMES - 3, None)))(mouse)
    trial = open_(mouse).read(TRIAL)
    assert len(trial.video) == trial.responses.shape[1] == trial.behavior.shape[1] == FRAMES - 3


def test_integer_videos_without_tail_are_fine(mouse: Path) -> None:
    change("videos", lambda array: np.nan_to_num(array).astype(np.uint8))(mouse)
    assert len(open_(mouse).read(TRIAL).video) == FRAMES


def test_meta(mouse: Path) -> None:
    raw = open_(mouse)
    assert raw.name == MOUSE
    assert raw.neurons == NEURONS
    assert raw.unit_ids.tolist() == [1, 4, 7, 10, 13]
    assert raw.coordinates.shape == (NEURONS, 3)
    assert raw.areas is None
    assert raw.trials == [trial for trial, tier in enumerate(TIERS) if tier != "none"]
    assert raw.statistics["videos/mean"].shape[:2] == FRAME_SHAPE
    assert len(raw.statistics) == 4 * 5
    assert raw.absent == ()
    assert raw.benchmark is SENSORIUM_2023


def test_shape_is_that_of_a_file(mouse: Path) -> None:
    assert open_(mouse).shape() == (*FRAME_SHAPE, PADDED)
    np.save(mouse / "data" / "videos" / "0.npy", np.zeros((4, 6)))
    with pytest.raises(DataError, match=r"videos/0\.npy: has shape \(4, 6\); give \(height, width, frames\)"):
        open_(mouse).shape()


def test_fingerprint_follows_the_visible_files(mouse: Path) -> None:
    before = open_(mouse).fingerprint()
    (mouse / "data" / "videos" / "._2.npy").write_bytes(b"junk")
    assert open_(mouse).fingerprint() == before
    os.utime(mouse / VIDEO)
    assert open_(mouse).fingerprint() != before


def test_statistics_may_be_absent(mouse: Path) -> None:
    (mouse / "meta" / "statistics").rename(mouse.parent / "elsewhere")
    assert open_(mouse).statistics == {}


def test_find_mice_passes_over_what_is_none(mouse: Path) -> None:
    mice = mouse.parent
    write_mouse(mice, "dynamic00000")
    for junk in (".DS_Store", "._x", f"{MOUSE}/.DS_Store", f"{MOUSE}/data/videos/._2.npy"):
        (mice / junk).write_bytes(b"junk")
    (mouse / "meta" / "statistics" / "videos" / "all" / "._mean.npy").write_bytes(b"junk")
    for folder in (f"__MACOSX/{MOUSE}/data", "truth/x/data", ".hidden/data", "notes"):
        (mice / folder).mkdir(parents=True)
    assert [found.name for found in find_mice(mice)] == ["dynamic00000", MOUSE]
    assert [found.name for found in find_mice(mouse)] == [MOUSE]
    read_all(mice)


def test_no_mice(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no mouse: neither it nor a folder or a zip in it has data/ or meta/"):
        find_mice(tmp_path)
    with pytest.raises(DataError, match="folder is missing"):
        find_mice(tmp_path / "nowhere")
