"""The one verb: what a predictor answers, and what it refuses in one sentence."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from world import World

from sensorium_ray.bundle.manifest import find_bundles
from sensorium_ray.bundle.network import execution_providers
from sensorium_ray.bundle.predictor import load_predictor
from sensorium_ray.data.clip import Clip
from sensorium_ray.data.store import FrameStore
from sensorium_ray.errors import BundleError, DataError


def _clip(frames: int, height: int = 36, width: int = 64) -> Clip:
    rng = np.random.default_rng(0)
    video = rng.integers(0, 256, (frames, height, width)).astype(np.float32)
    return Clip(video, rng.uniform(0, 40, (2, frames)), rng.normal(150, 3, (2, frames)))


@pytest.mark.parametrize("name", ["linear_nonlinear", "factorised3d", "dwiseneuro"])
@pytest.mark.parametrize("frames", [1, 7, 131])
def test_every_frame_of_any_clip_is_answered(name: str, frames: int, bundles: dict[str, Path]) -> None:
    predictor = load_predictor(bundles[name], threads=1)
    for mouse in predictor.mice:
        answer = predictor.predict(_clip(frames), mouse)
        assert answer.shape == (predictor.neurons(mouse), frames)
        assert answer.dtype == np.float32
        assert (answer >= 0).all()


@pytest.mark.parametrize("name", ["linear_nonlinear", "factorised3d", "dwiseneuro"])
def test_a_streamed_answer_is_the_whole_one_in_short_parts(name: str, bundles: dict[str, Path]) -> None:
    predictor = load_predictor(bundles[name], threads=1)
    mouse, clip = predictor.mice[0], _clip(331)
    parts = list(predictor.stream(clip, mouse))
    assert max(part.shape[1] for part in parts) < 150
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), predictor.predict(clip, mouse))


def test_chosen_neurons_answer_as_among_all(bundles: dict[str, Path]) -> None:
    predictor = load_predictor(bundles["factorised3d"])
    mouse, chosen = predictor.mice[1], np.array([4, 0])
    everyone = predictor.predict(_clip(20), mouse)
    np.testing.assert_allclose(predictor.predict(_clip(20), mouse, chosen), everyone[chosen], rtol=1e-5, atol=1e-6)


def test_the_answer_depends_on_behaviour_and_pupil(bundles: dict[str, Path]) -> None:
    predictor = load_predictor(bundles["factorised3d"])
    clip = _clip(20)
    answer = predictor.predict(clip, predictor.mice[0])
    running = Clip(clip.video, clip.behavior + [[0.0], [20.0]], clip.pupil_center)
    looking = Clip(clip.video, clip.behavior, clip.pupil_center + 8)
    assert not np.allclose(answer, predictor.predict(running, predictor.mice[0]))
    assert not np.allclose(answer, predictor.predict(looking, predictor.mice[0]))


@pytest.mark.parametrize(
    ("clip", "mouse", "neurons", "sentence"),
    [
        (_clip(5), "nobody", None, "knows no mouse 'nobody'; known: dynamic"),
        (_clip(5, 64, 36), None, None, "frames are 64×36; this model takes 36×64"),
        (Clip(_clip(5).video, np.zeros((3, 5)), np.zeros((2, 5))), None, None, "behavior: has 3 channels"),
        (_clip(5), None, np.array([10_000]), "not indices of this mouse's neurons"),
    ],
)
def test_what_does_not_fit_is_refused(
    clip: Clip, mouse: str | None, neurons: np.ndarray | None, sentence: str, bundles: dict[str, Path]
) -> None:
    predictor = load_predictor(bundles["linear_nonlinear"])
    with pytest.raises(DataError, match=sentence):
        predictor.predict(clip, mouse or predictor.mice[0], neurons)


@pytest.mark.parametrize("file", ["model.onnx", "weights.safetensors"])
def test_a_damaged_bundle_is_refused(file: str, bundles: dict[str, Path], tmp_path: Path) -> None:
    copy = shutil.copytree(bundles["linear_nonlinear"], tmp_path / "copy")
    (copy / file).write_bytes((copy / file).read_bytes()[:-1] + b"x")
    with pytest.raises(BundleError, match=f"{file}: differs from the manifest's checksum"):
        load_predictor(copy)


@pytest.mark.parametrize("content", ["", "{", '{"format": 1}', '{"format": 2, "kind": "model"}'])
def test_a_broken_manifest_is_refused(content: str, bundles: dict[str, Path], tmp_path: Path) -> None:
    copy = shutil.copytree(bundles["linear_nonlinear"], tmp_path / "copy")
    (copy / "manifest.json").write_text(content)
    with pytest.raises(BundleError, match=r"manifest\.json: .*export the bundle again"):
        load_predictor(copy)


def test_a_folder_without_bundles_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="holds no bundle"):
        find_bundles(tmp_path)


def test_trials_of_a_store_are_clips(bundles: dict[str, Path], world: World) -> None:
    store = FrameStore.open(world.store)
    predictor = load_predictor(bundles["dwiseneuro"])
    for mouse in store.mice:
        info = store[mouse].select("train")[0]
        answer = predictor.predict(store[mouse].clip(info.trial), mouse)
        assert answer.shape == (store[mouse].neurons, info.frames)


@pytest.mark.parametrize(
    ("available", "chosen"),
    [(["Tensorrt", "CUDA", "CPU"], ["CUDA", "CPU"]), (["Azure", "CPU"], ["CPU"])],
)
def test_cuda_computes_where_it_is_there(
    available: list[str], chosen: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "onnxruntime.get_available_providers", lambda: [f"{name}ExecutionProvider" for name in available]
    )
    assert execution_providers() == [f"{name}ExecutionProvider" for name in chosen]
