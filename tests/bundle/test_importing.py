"""Published checkpoints become bundles that answer as the public code does, or one sentence says why not."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from models.references import REFERENCES, vectors

from sensorium_ray.bundle.anatomy import read_anatomy
from sensorium_ray.bundle.importing import import_checkpoint
from sensorium_ray.bundle.predictor import load_predictor
from sensorium_ray.data.clip import Clip
from sensorium_ray.data.ingest import ingest
from sensorium_ray.data.simulate import SCALES, simulate
from sensorium_ray.data.store import FrameStore
from sensorium_ray.errors import BundleError, ConfigError
from sensorium_ray.published import find as formats

reference = pytest.mark.skipif(not REFERENCES.is_dir(), reason="the reference checkpoints (../shared) are not here")
WINNER = REFERENCES / "dwiseneuro" / "model-017-0.123456.pth"
BASELINE = REFERENCES / "factorised3d_baseline" / "final.pth"
KEYS = (
    "dynamic00011-1-1-Video-0000000000000000000000000000000a",
    "dynamic00017-1-1-Video-0000000000000000000000000000000b",
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, ray_session: None) -> Path:
    """A store of mice with as many neurons as those of the references."""
    folder = tmp_path_factory.mktemp("import")
    small = replace(SCALES["tiny"], neurons=(11, 17), train=4)
    simulate(folder / "mice", small, seed=0)
    ingest(folder / "mice", folder / "store")
    return folder / "store"


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The starter kit's baseline, imported without a store."""
    path = tmp_path_factory.mktemp("bare") / "baseline"
    import_checkpoint("sensorium2023", BASELINE, path)
    return path


@reference
def test_the_winners_checkpoint_answers_whole_clips_as_its_authors_code(tmp_path: Path) -> None:
    manifest = import_checkpoint("dwiseneuro", WINNER, tmp_path / "winner")
    assert manifest.inputs == "recorded"
    found = vectors("dwiseneuro")
    clip = Clip(np.moveaxis(found["video"], -1, 0), found["behavior"], found["pupil_center"])
    for mouse in (0, 1):
        answer = load_predictor(tmp_path / "winner").predict(clip, f"mouse{mouse}")
        np.testing.assert_allclose(answer, found[f"trial_prediction_mouse{mouse}_f32"], atol=1e-3, rtol=1e-4)


@reference
def test_without_a_store_a_baseline_takes_and_gives_what_is_normalised(bare: Path) -> None:
    predictor = load_predictor(bare)
    assert predictor.manifest.inputs == "normalised"
    assert all(mouse.positions is None for mouse in read_anatomy(bare, predictor.manifest).values())
    found = vectors("factorised3d_baseline")
    inputs = [found[f"mouse1_in_{name}_T80"][0] for name in ("video", "behavior", "pupil_center")]
    answer = predictor.predict(Clip(inputs[0][0], *inputs[1:]), KEYS[1])
    np.testing.assert_allclose(answer[:, 18:], found["mouse1_out_T80_f32"][0].T, atol=1e-4, rtol=1e-4)


@reference
def test_with_a_store_it_takes_recorded_clips_and_knows_the_neurons(store: Path, bare: Path, tmp_path: Path) -> None:
    """The published statistics of every pixel and time point are in the graph, which answers at any moment by them."""
    data = FrameStore.open(store)
    names = dict(zip(KEYS, data.mice, strict=True))
    manifest = import_checkpoint("sensorium2023", BASELINE, tmp_path / "baseline", store, names)
    assert manifest.inputs == "recorded"
    assert [mouse.unit_ids for mouse in manifest.mice] == [tuple(data[name].unit_ids) for name in data.mice]
    for name, anatomy in read_anatomy(tmp_path / "baseline", manifest).items():
        np.testing.assert_array_equal(anatomy.positions, data[name].coordinates)
    mouse = data[data.mice[0]]
    clip, published = mouse.clip(mouse.select("oracle")[0].trial), mouse.published
    frames = clip.frames
    video_mean, video_std = (published[f"videos/{name}"][..., :frames].transpose(2, 0, 1) for name in ("mean", "std"))
    scaled = Clip(
        (clip.video - video_mean) / np.where(video_std > 1e-6, video_std, 1),
        clip.behavior / published["behavior/std"][:, :frames],
        (clip.pupil_center - published["pupil_center/mean"][:, :frames]) / published["pupil_center/std"][:, :frames],
    )
    std = published["responses/std"].astype(np.float64)
    units = np.maximum(std, 0.01 * np.nanmean(std))[:, :frames]
    expected = load_predictor(bare).predict(scaled, KEYS[0]) * units
    answer = load_predictor(tmp_path / "baseline").predict(clip, mouse.name)
    np.testing.assert_allclose(answer, expected, rtol=2e-3, atol=1e-3 * expected.max())


@reference
def test_a_store_of_other_mice_is_refused(store: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="of which the store has none; tell which is which with --mouse"):
        import_checkpoint("sensorium2023", BASELINE, tmp_path / "bundle", store)
    crossed = dict(zip(KEYS, reversed(FrameStore.open(store).mice), strict=True))
    with pytest.raises(BundleError, match=r"has 11 neurons for .*, the store has 17"):
        import_checkpoint("sensorium2023", BASELINE, tmp_path / "bundle", store, crossed)
    assert list(tmp_path.iterdir()) == []


@reference
@pytest.mark.parametrize("format_name", formats.names())
def test_a_checkpoint_of_another_format_is_refused(format_name: str, tmp_path: Path) -> None:
    other = BASELINE if format_name == "dwiseneuro" else WINNER
    with pytest.raises(BundleError, match=f"{other.name}: .*"):
        import_checkpoint(format_name, other, tmp_path / "bundle")
    assert list(tmp_path.iterdir()) == []


class _Evil:
    """What unpickling would run."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path("/tmp/sensorium-was-here"),)  # type: ignore[return-value]


def test_what_is_no_tensor_is_not_unpickled(tmp_path: Path) -> None:
    torch.save({"nn_state_dict": _Evil()}, tmp_path / "evil.pth")
    with pytest.raises(BundleError, match=r"more than tensors and plain values.*if you trust its source, pass --trust"):
        import_checkpoint("dwiseneuro", tmp_path / "evil.pth", tmp_path / "bundle")


def test_files_that_are_no_checkpoints_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.pth").write_text("no checkpoint")
    with pytest.raises(BundleError, match="is no readable checkpoint"):
        import_checkpoint("dwiseneuro", tmp_path / "text.pth", tmp_path / "bundle")
    with pytest.raises(BundleError, match="file is missing"):
        import_checkpoint("dwiseneuro", tmp_path / "none.pth", tmp_path / "bundle")
    with pytest.raises(ConfigError, match="no format 'dwisneuro'; did you mean 'dwiseneuro'"):
        import_checkpoint("dwisneuro", tmp_path / "none.pth", tmp_path / "bundle")
