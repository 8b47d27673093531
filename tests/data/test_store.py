from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import ray
from fake_mouse import FRAME_SHAPE, FRAMES, MOUSE, NEURONS, REPEATS, SHORT, TIERS, write_mouse

from sensorium_ray.cli import data as cli
from sensorium_ray.data.describe import describe
from sensorium_ray.data.ingest import ingest
from sensorium_ray.data.moments import Moments
from sensorium_ray.data.raw import find_mice
from sensorium_ray.data.store import FrameStore, reingest, verify, video_id
from sensorium_ray.errors import DataError


@pytest.fixture(scope="module")
def mice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mice")
    write_mouse(folder)
    return folder


@pytest.fixture(scope="module")
def whole(mice: Path, ray_session: None) -> FrameStore:
    return ingest(mice, mice.parent / "store")


@pytest.fixture
def spoilt(whole: FrameStore, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(whole.path, tmp_path / "store"))


def test_round_trip_is_exact(mice: Path, whole: FrameStore) -> None:
    (raw,), mouse = find_mice(mice / MOUSE), whole[MOUSE]
    assert [info.trial for info in mouse.trials] == raw.trials
    for info in mouse.trials:
        trial, clip = raw.read(info.trial), mouse.clip(info.trial)
        assert info.frames == clip.frames == (FRAMES - 1 if info.trial == SHORT else FRAMES)
        assert np.array_equal(clip.video, trial.video)
        assert np.array_equal(clip.behavior, trial.behavior)
        assert np.array_equal(clip.pupil_center, trial.pupil_center)
        assert np.array_equal(mouse.responses(info.trial), trial.responses)
    assert np.array_equal(mouse.unit_ids, raw.unit_ids)
    assert np.array_equal(mouse.coordinates, raw.coordinates)
    for name, array in raw.statistics.items():
        assert np.array_equal(mouse.published[name], array.astype(np.float32), equal_nan=True)


def test_rows_are_mapped_and_read_only(whole: FrameStore) -> None:
    rows = whole[MOUSE].rows(0)
    assert isinstance(rows, np.memmap)
    assert rows.mode == "r"
    window = rows[5:9]
    assert isinstance(window, np.memmap)
    assert window["video"].shape == (4, *FRAME_SHAPE)
    first, last = np.lib.array_utils.byte_bounds(np.asarray(window))
    assert last - first == 4 * rows.dtype.itemsize
    with pytest.raises(ValueError, match="read-only"):
        rows["video"][0] = 0


def test_what_a_mouse_tells(whole: FrameStore) -> None:
    mouse = whole[MOUSE]
    assert whole.mice == [MOUSE]
    assert (mouse.name, mouse.neurons, mouse.frame_shape) == (MOUSE, NEURONS, FRAME_SHAPE)
    assert mouse.unit_ids.dtype == np.int64
    assert mouse.coordinates.dtype == np.float32
    assert [info.trial for info in mouse.select("oracle", "live_test_main")] == [6, 7, 8, 9, 11, 12]
    assert mouse.select("none") == []
    assert {info.tier for info in mouse.trials} == set(TIERS) - {"none"}
    assert mouse.trial(SHORT).frames == FRAMES - 1
    for again, original in REPEATS.items():
        assert mouse.trial(again).video == mouse.trial(original).video
    assert len({info.video for info in mouse.trials}) == len(mouse.trials) - len(REPEATS)


def test_a_mouse_travels_between_processes(whole: FrameStore) -> None:
    mouse = ray.get(ray.put(whole[MOUSE]))
    assert np.array_equal(mouse.responses(0), whole[MOUSE].responses(0))


def test_statistics_are_numpys(whole: FrameStore) -> None:
    mouse = whole[MOUSE]
    rows = np.concatenate([mouse.rows(info.trial) for info in mouse.select("train")])
    statistics = mouse.statistics
    for name, field, axes in (
        ("video", "video", (0, 1, 2)),
        ("behavior", "behavior", 0),
        ("pupil", "pupil_center", 0),
        ("response", "responses", 0),
    ):
        values = rows[field].astype(np.float64)
        for kind, expected in (("mean", values.mean(axis=axes)), ("std", values.std(axis=axes))):
            array = getattr(statistics, f"{name}_{kind}")
            assert array.dtype == np.float32
            assert array.shape == expected.shape
            np.testing.assert_allclose(array, expected, rtol=1e-6)


def test_moments_of_a_constant_are_exact() -> None:
    parts = [Moments.of(np.full((frames, 2), 0.1, np.float32)) for frames in (300, 1, 299)]
    pooled = parts[0].merge(parts[1]).merge(parts[2])
    assert pooled.count == 600
    assert pooled.std.tolist() == [0, 0]


def test_moments_of_large_offsets() -> None:
    samples = np.random.default_rng(0).normal(1e6, 1.0, (1000, 3))
    pooled = Moments.of(samples[:1]).merge(Moments.of(samples[1:400])).merge(Moments.of(samples[400:]))
    np.testing.assert_allclose(pooled.std, samples.std(axis=0), rtol=1e-9)


def test_video_id_is_shared_by_a_repeat_cut_short() -> None:
    video = np.random.default_rng(0).integers(0, 256, (300, 4, 6)).astype(np.float32)
    assert video_id(video) == video_id(video[:299]) == video_id(video + 0.3)
    assert video_id(video) != video_id(video[::-1])
    assert len(video_id(video)) == 16


def test_checksum_follows_the_data(whole: FrameStore, tmp_path: Path) -> None:
    write_mouse(tmp_path / "same")
    write_mouse(tmp_path / "other", seed=1)
    assert ingest(tmp_path / "same", tmp_path / "store").checksum == whole.checksum
    assert ingest(tmp_path / "other", tmp_path / "other_store").checksum != whole.checksum
    assert FrameStore.open(whole.path).checksum == whole.checksum


def test_unknown_names(whole: FrameStore) -> None:
    with pytest.raises(DataError, match=f"holds no mouse 'x'; it holds {MOUSE}"):
        whole["x"]
    with pytest.raises(DataError, match="has no trial 10"):
        whole[MOUSE].trial(10)
    with pytest.raises(DataError, match="has no trial 99"):
        whole[MOUSE].rows(99)


@pytest.mark.parametrize("content", [None, "", "[]", '{"format": 2}', '{"format": 1, "mice": {"a": "b"}}'])
def test_store_json_is_checked(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "store.json").write_text(content)
    with pytest.raises(DataError, match="run `sensorium ingest` again"):
        FrameStore.open(tmp_path)


def edit_tier(path: Path) -> None:
    path.write_text(path.read_text().replace("oracle", "train", 1))


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("mouse.json", Path.unlink),
        ("mouse.json", lambda path: path.write_text("{}")),
        ("trials.csv", Path.unlink),
        ("trials.csv", lambda path: path.write_text("trial\n1\n")),
        ("trials.csv", edit_tier),
        ("neurons.npz", lambda path: path.write_bytes(b"PK")),
    ],
)
def test_changed_meta_files_are_noticed(spoilt: Path, name: str, spoil: Callable[[Path], object]) -> None:
    spoil(spoilt / MOUSE / name)
    with pytest.raises(DataError, match=MOUSE):
        FrameStore.open(spoilt)[MOUSE]


@pytest.mark.parametrize(
    "spoil",
    [
        Path.unlink,
        lambda path: path.write_bytes(path.read_bytes()[:-7]),
        lambda path: path.write_bytes(b""),
        lambda path: np.save(path, np.zeros(FRAMES)),
    ],
)
def test_damaged_trials_are_not_read(spoilt: Path, spoil: Callable[[Path], object]) -> None:
    spoil(spoilt / MOUSE / "trials" / "4.npy")
    mouse = FrameStore.open(spoilt)[MOUSE]
    with pytest.raises(DataError, match=r"4\.npy.*remove .* and run `sensorium ingest` again"):
        mouse.rows(4)


def test_verify_names_the_damaged_and_its_mend_works(mice: Path, whole: FrameStore, spoilt: Path) -> None:
    assert verify(whole) == len(whole[MOUSE].trials) + 3
    folder = spoilt / MOUSE
    trial = folder / "trials" / "4.npy"
    content = bytearray(trial.read_bytes())
    content[-1] ^= 1
    trial.write_bytes(content)
    (folder / "trials" / "5.npy").unlink()
    (folder / "statistics.npz").write_bytes(b"")
    with pytest.raises(DataError) as caught:
        verify(FrameStore.open(spoilt))
    assert f"3 of 18 files are missing or damaged: {MOUSE}/trials/4.npy, {MOUSE}/trials/5.npy" in str(caught.value)
    assert caught.value.mend == reingest(folder)
    shutil.rmtree(folder)
    (spoilt / "store.json").unlink()
    mended = ingest(mice, spoilt)
    assert verify(mended) == 18
    assert mended.checksum == whole.checksum


def test_describe_says_the_same_of_both(mice: Path, whole: FrameStore) -> None:
    (raw,), (stored,) = describe(mice), describe(whole.path)
    assert raw.tiers == stored.tiers
    assert raw.response_mean == pytest.approx(stored.response_mean)
    assert raw.response_std == pytest.approx(stored.response_std)
    train, oracle, *_ = stored.tiers
    assert (train.trials, train.frames, train.videos, train.repeats) == (6, (FRAMES - 1, FRAMES), 6, (1, 1))
    assert (oracle.trials, oracle.videos, oracle.repeats) == (4, 2, (2, 2))


def test_command_line_prints_on_stdout(mice: Path, whole: FrameStore, capsys: pytest.CaptureFixture[str]) -> None:
    cli.describe(whole.path)
    assert f"{MOUSE}: 5 neurons, 4x6 pixels" in capsys.readouterr().out
    cli.describe(mice, as_json=True)
    (mouse,) = json.loads(capsys.readouterr().out)
    assert (mouse["name"], mouse["neurons"], len(mouse["tiers"])) == (MOUSE, NEURONS, 6)
    cli.verify(whole.path, as_json=True)
    assert json.loads(capsys.readouterr().out)["checksum"] == whole.checksum
    cli.ingest(mice, whole.path)
    assert f"mice {MOUSE}; checksum" in capsys.readouterr().out
