"""The real checkpoints of the 2022 starter kit answer here as in the kit, in torch and exported."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from models.references import REFERENCES, Reference

from sensorium_ray.bundle.export import write_onnx
from sensorium_ray.data.clip import Clip
from sensorium_ray.errors import BundleError
from sensorium_ray.published import find as formats

_FOLDER = REFERENCES.parent / "sensorium2022"
_LN = Path(__file__).parent / "data" / "sensorium2022_ln.npz"
"""Float64 responses (images, neurons) of every hundredth neuron, from a run of the public core, readout and shifter
(neuralpredictors a2055cd) on the inputs of the file of the same track."""
_ATOL = {"f32": 2e-5, "f64": 1e-6}

pytestmark = pytest.mark.skipif(not _FOLDER.is_dir(), reason="the published checkpoints (../shared) are not here")


def _reference(name: str) -> Reference:
    return Reference.load("sensorium2022", str(_FOLDER / f"{name}_model.pth"))


def _clips(track: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images as clips of one frame; of the track without behaviour, something that must not matter."""
    found = np.load(_FOLDER / f"{track}_sota.npz")
    behavior, pupil = (
        found[name] if found[name].size else np.full((len(found["images"]), size), 7, np.float32)
        for name, size in (("behavior", 3), ("pupil_center", 2))
    )
    return found["images"], behavior[..., None], pupil[..., None]


@pytest.mark.parametrize("track", ["sensorium", "sensorium_p"])
@pytest.mark.parametrize("dtype", ["f32", "f64"])
def test_sota_models(track: str, dtype: str) -> None:
    answer = _reference(f"{track}_sota").answer(*_clips(track), mouse=0, dtype=dtype)
    expected = np.load(_FOLDER / f"{track}_sota.npz")["outputs" if dtype == "f32" else "outputs_float64"]
    np.testing.assert_allclose(answer[..., 0], expected, atol=_ATOL[dtype], rtol=1e-7)


@pytest.mark.parametrize("track", ["sensorium", "sensorium_p"])
@pytest.mark.parametrize("dtype", ["f32", "f64"])
def test_linear_nonlinear_models(track: str, dtype: str) -> None:
    answer = _reference(f"{track}_ln").answer(*_clips(track), mouse=0, dtype=dtype)
    found = np.load(_LN)
    neurons, expected = found[f"{track}_ln_neurons"], found[f"{track}_ln"]
    np.testing.assert_allclose(answer[:, neurons, 0], expected, atol=_ATOL[dtype], rtol=1e-7)


@pytest.mark.parametrize("track", ["sensorium_p", pytest.param("sensorium", marks=pytest.mark.slow)])
def test_sota_models_exported(track: str, tmp_path: Path) -> None:
    reference, inputs = _reference(f"{track}_sota"), _clips(track)
    write_onnx(reference.encoder, Clip(*(array[0] for array in inputs)), tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    images, neurons = len(inputs[0]), reference.population.neurons
    feed = {
        **dict(zip(("video", "behavior", "pupil_center"), inputs, strict=True)),
        "mouse": np.zeros(images, np.int64),
        "neurons": np.arange(neurons),
        "moment": np.zeros((images, 1), np.int64),
    }
    (answer,) = session.run(None, feed)
    np.testing.assert_allclose(answer[..., 0], np.load(_FOLDER / f"{track}_sota.npz")["outputs"], atol=2e-5, rtol=1e-7)


def test_where_and_what_the_readout_sees() -> None:
    reference = _reference("sensorium_p_sota")
    found = np.load(_FOLDER / "sensorium_p_sota.npz")
    encoder, video, behavior, pupil = reference.encoder, *map(torch.from_numpy, _clips("sensorium_p"))
    mouse, neurons = torch.zeros(len(video), dtype=torch.int64), torch.arange(reference.population.neurons)
    with torch.no_grad():
        features = encoder.core(video, behavior, pupil)
        points = encoder.readout.points(pupil, 1, mouse, neurons)[:, 0].numpy()
    np.testing.assert_allclose(features[:, :, 0].mean(dim=(2, 3)), found["core_features_mean"], atol=1e-5)
    expected = found["readout_grid_xy"].clip(-1, 1) + found["shift_xy"][:, None]
    np.testing.assert_allclose(points, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "neurons", "layers", "linear", "plus"),
    [
        ("sensorium_sota", 7776, 4, False, False),
        ("sensorium_ln", 7776, 3, True, False),
        ("sensorium_p_sota", 7538, 4, False, True),
        ("sensorium_p_ln", 7538, 3, True, True),
    ],
)
def test_the_network_is_read_off_the_weights(name: str, neurons: int, layers: int, linear: bool, plus: bool) -> None:
    foreign = formats.read("sensorium2022", _FOLDER / f"{name}_model.pth")
    (mouse,) = foreign.mice
    scan = "27204-5-13" if plus else "26872-17-20"
    assert mouse.name == f"static{scan}-GrayImageNet-94c6ff995dac583098847cfecd43e7b6"
    assert mouse.neurons == neurons
    assert foreign.config == {
        "channels": (64,) * layers,
        "spatial_kernels": (9, *(7,) * (layers - 1)),
        "linear": linear,
        "behavior": plus,
        "shifter": plus,
        "normalisation": "published",
    }


def test_what_cannot_be_answered_rightly_is_refused(tmp_path: Path) -> None:
    state = torch.load(_FOLDER / "sensorium_ln_model.pth", map_location="cpu", weights_only=True)
    with_bias = {**state, "core.features.layer1.ds_conv.in_depth_conv.bias": torch.zeros(64)}
    without = {name: value for name, value in state.items() if name != "core.features.layer2.norm.running_var"}
    for broken, sentence in (
        (with_bias, "has convolutions with a bias"),
        (without, "has no 'core.features.layer2.norm.running_var'"),
        ({"weight": torch.zeros(1)}, "is no checkpoint of the 2022 starter kit's"),
    ):
        torch.save(broken, tmp_path / "model.pth")
        with pytest.raises(BundleError, match=sentence):
            formats.read("sensorium2022", tmp_path / "model.pth")
