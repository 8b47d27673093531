"""Mice of 2022: an image is a clip of one frame, reduced as the starter kit does, and every fault is told."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from fake_mouse2022 import AREAS, MOUSE_2022, NEURONS, REPEATS, TIERS, write_mouse_2022
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from test_raw import change, cut, meta, on_file, put, read_all, tiers_with

from sensorium_ray.benchmark import FRAME_SHAPE, SENSORIUM_2022
from sensorium_ray.data.raw import RawMouse, find_mice
from sensorium_ray.data.raw2022 import reduce_image
from sensorium_ray.errors import DataError

TRIAL, TESTED = 2, 9
IMAGE = f"data/images/{TRIAL}.npy"
RESPONSES = f"data/responses/{TRIAL}.npy"
BEHAVIOR = f"data/behavior/{TRIAL}.npy"
PUPIL = f"data/pupil_center/{TRIAL}.npy"
IDS = "neurons/unit_ids.npy"
PLACES = "neurons/cell_motor_coordinates.npy"
AREA_FILE = "neurons/area.npy"
TIER_FILE = "trials/tiers.npy"


@pytest.fixture
def mouse(tmp_path: Path) -> Path:
    return write_mouse_2022(tmp_path / "mice")


def open_(folder: Path) -> RawMouse:
    (mouse,) = find_mice(folder)
    return mouse


def test_an_image_is_a_clip_of_one_frame(mouse: Path) -> None:
    trial = open_(mouse).read(TRIAL)
    assert trial.video.shape == (1, *FRAME_SHAPE)
    assert trial.responses.shape == (NEURONS, 1)
    assert trial.behavior.shape == (3, 1)
    assert trial.pupil_center.shape == (2, 1)
    for field, read in (
        ("responses", trial.responses),
        ("behavior", trial.behavior),
        ("pupil_center", trial.pupil_center),
    ):
        published = np.load(mouse / "data" / field / f"{TRIAL}.npy")
        assert read.dtype == np.float32
        assert np.array_equal(read[:, 0], published.astype(np.float32))


def test_the_image_is_reduced_as_the_starter_kit_does(mouse: Path) -> None:
    """The mean of the central 2×2 of every 4×4 block, not of the block."""
    (image,) = np.load(mouse / IMAGE)
    (frame,) = open_(mouse).read(TRIAL).video
    for row, column in ((0, 0), (7, 40), (35, 63)):
        block = image[4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
        assert frame[row, column] == pytest.approx(block[1:3, 1:3].mean())
        assert frame[row, column] != pytest.approx(block.mean())


@given(
    arrays(np.float64, (8, 12), elements=st.floats(0, 255)),
    st.floats(0, 255),
    st.floats(0.1, 100),
)
def test_reduction_commutes_with_normalisation(image: np.ndarray, mean: float, std: float) -> None:
    reduced = reduce_image((image - mean) / std)
    np.testing.assert_allclose(reduced, (reduce_image(image) - mean) / std, atol=1e-9)


def test_meta(mouse: Path) -> None:
    raw = open_(mouse)
    assert raw.name == MOUSE_2022
    assert raw.benchmark is SENSORIUM_2022
    assert raw.unit_ids.tolist() == [1, 4, 7, 10, 13]
    assert raw.coordinates.shape == (NEURONS, 3)
    assert raw.areas is not None
    assert raw.areas.tolist() == AREAS
    assert raw.trials == [trial for trial, tier in enumerate(TIERS) if tier != "none"]
    assert raw.shape() == (*FRAME_SHAPE, 1)
    assert raw.absent == ()
    assert len(raw.statistics) == 4 * 5
    assert raw.statistics["images/mean"].shape == ()
    assert raw.statistics["responses/std"].shape == (NEURONS,)


def test_repeats_and_withheld_responses(mouse: Path) -> None:
    raw = open_(mouse)
    for trial, original in REPEATS.items():
        assert np.array_equal(raw.read(trial).video, raw.read(original).video)
    assert not raw.read(TESTED).responses.any()
    assert raw.read(TRIAL).responses.any()


SHAPES = {
    "image without its channel": (IMAGE, lambda image: image[0]),
    "image already reduced": (IMAGE, lambda image: reduce_image(image[0])[None]),
    "image of bytes": (IMAGE, lambda image: image.astype(np.uint8)),
    "responses as a column": (RESPONSES, lambda responses: responses[:, None]),
    "responses as a row": (RESPONSES, lambda responses: responses[None]),
    "behaviour as a row": (BEHAVIOR, lambda behavior: behavior[None]),
    "pupil centre as a row": (PUPIL, lambda pupil: pupil[None]),
    "single precision": (RESPONSES, lambda responses: responses.astype(np.float32)),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_that_can_mean_one_thing_only_are_taken(mouse: Path, shape: str) -> None:
    name, edit = SHAPES[shape]
    before = open_(mouse).read(TRIAL)
    np.save(mouse / name, edit(np.load(mouse / name)))
    after = open_(mouse).read(TRIAL)
    for field in ("video", "responses", "behavior", "pupil_center"):
        assert np.array_equal(getattr(after, field), getattr(before, field))


@pytest.mark.parametrize(
    ("fields", "there"), [(("behavior",), False), (("pupil_center",), True), (("behavior", "pupil_center"), False)]
)
def test_fields_that_a_release_withholds_are_zeros(mouse: Path, fields: tuple[str, ...], there: bool) -> None:
    for field in fields:
        for kind in ("data", "meta/statistics"):
            shutil.rmtree(mouse / kind / field)
        if there:
            (mouse / "data" / field).mkdir()
    raw = open_(mouse)
    assert raw.absent == fields
    trial = raw.read(TRIAL)
    for field, channels in (("behavior", 3), ("pupil_center", 2)):
        read = getattr(trial, field)
        assert read.shape == (channels, 1)
        assert read.any() == (field not in fields)
    assert f"{fields[0]}/mean" not in raw.statistics


def test_test_responses_may_have_no_file(mouse: Path) -> None:
    (mouse / f"data/responses/{TESTED}.npy").unlink()
    assert not open_(mouse).read(TESTED).responses.any()
    (mouse / RESPONSES).unlink()
    with pytest.raises(DataError, match=r"file is missing, though tiers\.npy has trial 2 as 'train'"):
        open_(mouse)


def test_a_mouse_without_stimuli_is_told_by_its_name(mouse: Path) -> None:
    shutil.rmtree(mouse / "data" / "images")
    with pytest.raises(DataError, match=r"data/images/0\.npy: file is missing"):
        open_(mouse)


FAULTS = {
    "missing image": (on_file(IMAGE, Path.unlink), IMAGE, "file is missing, though tiers.npy has trial 2 as 'train'"),
    "missing behaviour of one": (on_file(BEHAVIOR, Path.unlink), BEHAVIOR, "file is missing, though"),
    "missing meta": (on_file(f"meta/{IDS}", Path.unlink), IDS, "file is missing"),
    "cut off": (on_file(IMAGE, cut), IMAGE, "cut off or damaged"),
    "cut in header": (on_file(IMAGE, lambda path: path.write_bytes(path.read_bytes()[:20])), IMAGE, "cut off"),
    "empty": (on_file(RESPONSES, lambda path: path.write_bytes(b"")), RESPONSES, "file is empty"),
    "not npy": (on_file(IMAGE, lambda path: path.write_text("hello")), IMAGE, "is not an npy file"),
    "a pickle": (on_file(IMAGE, lambda path: path.write_bytes(b"\x80\x04N.")), IMAGE, "is not an npy file"),
    "folder": (on_file(IMAGE, lambda path: (path.unlink(), path.mkdir())), IMAGE, "may not be read"),
    "objects": (change("images", lambda array: array.astype(object)), IMAGE, "pickled Python objects"),
    "text": (change("images", lambda array: array.astype(str)), IMAGE, "has dtype <U32; save it again as real"),
    "complex": (change("responses", lambda array: array + 1j), RESPONSES, "has dtype complex128"),
    "one axis": (change("images", np.ravel), IMAGE, "has shape (36864,); give (1, height, width)"),
    "no pixels": (change("images", lambda array: array[:, :0]), IMAGE, "has shape (1, 0, 256)"),
    "colours": (change("images", lambda array: np.repeat(array, 3, axis=0)), IMAGE, "has shape (3, 144, 256)"),
    "channel last": (change("images", lambda array: array[0, :, :, None]), IMAGE, "axes look like (height, width, 1)"),
    "image turned": (change("images", lambda array: array.transpose(0, 2, 1)), IMAGE, "256x144 is higher than wide"),
    "odd size": (
        change("images", lambda array: array[:, 1:]),
        IMAGE,
        "has 143x256 pixels, which cannot be reduced by 4",
    ),
    "fewer responses": (
        change("responses", lambda array: array[:-1]),
        RESPONSES,
        "has shape (4,) instead of 5 neurons",
    ),
    "two responses": (
        change("responses", lambda array: np.stack([array, array])),
        RESPONSES,
        "has shape (2, 5) instead of 5 neurons",
    ),
    "two channels": (change("behavior", lambda array: array[:2]), BEHAVIOR, "has shape (2,) instead of 3 channels"),
    "three centres": (change("pupil_center", lambda array: np.append(array, 0)), PUPIL, "instead of 2 channels"),
    "fewer ids": (meta(IDS, lambda ids: ids[:-1]), PLACES, "has shape (5, 3) beside 4 neurons"),
    "fewer places": (meta(PLACES, lambda places: places[:-1]), PLACES, "has shape (4, 3) beside 5 neurons"),
    "NaN place": (meta(PLACES, lambda places: places * np.nan), PLACES, "holds NaN"),
    "fewer areas": (meta(AREA_FILE, lambda areas: areas[:-1]), AREA_FILE, "names 4 areas beside 5 neurons"),
    "areas as numbers": (meta(AREA_FILE, lambda areas: np.arange(5)), AREA_FILE, "give one area name a neuron"),
    "areas as odd bytes": (meta(AREA_FILE, lambda areas: np.full(5, b"\xff")), AREA_FILE, "no ASCII"),
    "id twice": (meta(IDS, np.zeros_like), IDS, "names a unit id twice"),
    "id and a half": (meta(IDS, lambda ids: ids + 0.5), IDS, "no integers"),
    "ids as text": (meta(IDS, lambda ids: ids.astype(str)), IDS, "give one integer a neuron"),
    "NaN response": (change("responses", put(np.nan, 1)), RESPONSES, "holds NaN"),
    "NaN pixel": (change("images", put(np.nan, 0, 0, 0)), IMAGE, "holds NaN"),
    "all NaN": (change("behavior", put(np.nan)), BEHAVIOR, "holds NaN"),
    "infinite": (change("pupil_center", put(np.inf, 0)), PUPIL, "infinite values"),
    "too bright": (change("images", put(256, 0, 0, 0)), IMAGE, "to 256; give grey levels from 0 to 255"),
    "below black": (change("images", put(-1, 0, 0, 0)), IMAGE, "holds values from -1 to"),
    "unknown tier": (
        meta(TIER_FILE, tiers_with(1, "oracle")),
        TIER_FILE,
        "trial 1 has the unknown tier 'oracle'; known are train, validation,",
    ),
    "tiers too short": (meta(TIER_FILE, lambda tiers: tiers[:-1]), "14.npy", "has no tier"),
    "tiers too long": (meta(TIER_FILE, lambda tiers: np.append(tiers, "train")), "15.npy", "file is missing"),
    "tiers as numbers": (meta(TIER_FILE, lambda tiers: np.arange(len(tiers))), TIER_FILE, "give one tier name"),
    "only none": (meta(TIER_FILE, lambda tiers: np.full(len(tiers), "none")), TIER_FILE, "names no trial"),
    "bad statistics": (
        on_file("meta/statistics/responses/all/mean.npy", cut),
        "statistics/responses/all/mean.npy",
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
