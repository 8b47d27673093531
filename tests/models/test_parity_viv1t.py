"""Both ViV1T answer as the public reference code does, given the same weights in the published formats."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from models.references import REFERENCES, Reference, vectors

from sensorium_ray.benchmark import MICE
from sensorium_ray.data.clip import Clip
from sensorium_ray.data.windows import Blocks, Chunks
from sensorium_ray.errors import BundleError
from sensorium_ray.published import find as formats
from sensorium_ray.published import viv1t, viv1t2023
from sensorium_ray.training.inference import torch_run

pytestmark = pytest.mark.skipif(not REFERENCES.is_dir(), reason="the reference vectors (../shared) are not here")

_FILES = {"viv1t": "viv1t_2025/ckpt/model.pt", "viv1t2023": "viv1t_2023/ckpt/model_state.pt"}
_MICE = {"viv1t": "AB", "viv1t2023": "AF"}
_SETTINGS: dict[str, dict[str, int]] = {"viv1t": {"max_frames": 40}, "viv1t2023": {}}
"""Of the small networks, as far as their checkpoints do not tell them."""


def _inputs(name: str, clip: str) -> tuple[list[np.ndarray], dict[str, np.ndarray]]:
    """Video, behaviour and pupil centre of one of the references' clips, a batch of one; and the answers by dtype."""
    found = vectors(_FILES[name].split("/")[0])
    video, behavior, pupil = (found[f"in_{part}_{clip}"] for part in ("video", "behavior", "pupil_center"))
    return [video[:, 0], behavior, pupil], {dtype: found[f"out_{clip}_{dtype}"] for dtype in ("f32", "f64")}


@pytest.mark.parametrize("mouse", [0, 1])
@pytest.mark.parametrize("frames", [32, 48])
@pytest.mark.parametrize(("dtype", "atol", "rtol"), [("f32", 1e-4, 1e-4), ("f64", 1e-6, 1e-7)])
@pytest.mark.parametrize("name", ["viv1t", "viv1t2023"])
def test_viv1t(name: str, mouse: int, frames: int, dtype: str, atol: float, rtol: float) -> None:
    """48 frames are more than the 40 of the 2025 network: its rotary table is then as long as the clip."""
    reference = Reference.load(name, _FILES[name], **_SETTINGS[name])
    inputs, expected = _inputs(name, f"{_MICE[name][mouse]}_T{frames}")
    answer = reference.answer(*inputs, mouse=mouse, dtype=dtype)
    np.testing.assert_allclose(answer, expected[dtype], atol=atol, rtol=rtol)


@pytest.mark.parametrize(("name", "frames"), [("viv1t", 32), ("viv1t2023", 48)])
def test_a_trial_goes_through_in_one_piece_as_published(name: str, frames: int) -> None:
    reference = Reference.load(name, _FILES[name], **_SETTINGS[name])
    inputs, expected = _inputs(name, f"{_MICE[name][1]}_T{frames}")
    run = torch_run(reference.encoder, reference.population, reference.population.mice[1].name)
    # The 2023 network's windows would be of 80 frames; these trials are shorter.
    cut = {"viv1t": Chunks(27, 13), "viv1t2023": Blocks(80, 24, 24)}[name]
    assert reference.encoder.cut == cut
    cut = replace(cut, frames=frames) if isinstance(cut, Blocks) else cut
    answer = cut.predict(run, Clip(*(array[0] for array in inputs)))
    assert answer.shape[1] == frames
    known = expected["f32"].shape[2]
    np.testing.assert_allclose(answer[:, -known:], expected["f32"][0], atol=1e-4, rtol=1e-4)


def test_the_2025_network_sees_no_later_frame() -> None:
    reference = Reference.load("viv1t", _FILES["viv1t"], **_SETTINGS["viv1t"])
    inputs, expected = _inputs("viv1t", "A_T32")
    first = [inputs[0][:, :16], inputs[1][..., :16], inputs[2][..., :16]]
    answer = reference.answer(*first, mouse=0, dtype="f64")
    np.testing.assert_allclose(answer, expected["f64"][..., :16], atol=1e-6, rtol=1e-7)


def test_the_configuration_is_read_off_the_weights() -> None:
    common = {"spatial_depth": 2, "temporal_depth": 2, "width": 24, "heads": 3, "head_width": 12, "hidden": 40}
    of_2025 = {"patch_frames": 13, "registers": 3, "normalisation": "pooled"}
    assert formats.read("viv1t", REFERENCES / _FILES["viv1t"]).config == common | of_2025
    of_2023 = {"patch_frames": 25, "max_frames": 80, "normalisation": "extremes"}
    assert formats.read("viv1t2023", REFERENCES / _FILES["viv1t2023"]).config == common | of_2023


def test_a_mouse_of_the_published_size_is_named_by_its_folder() -> None:
    weights = formats.load(REFERENCES / _FILES["viv1t"])
    grown = {"sigma": (1, 7440, 2, 2), "features": (1, 24, 7440), "bias": (7440,), "source_grid": (7440, 2)}
    weights |= {f"readouts.A.{part}": torch.zeros(shape) for part, shape in grown.items()}
    mice = viv1t.translate(weights).mice
    assert [(mouse.name, mouse.neurons) for mouse in mice] == [(MICE[0].folder, 7440), ("B", 17)]


def test_a_file_as_the_2023_code_saves_it_is_loaded_without_trust() -> None:
    """Its score is one of numpy's numbers."""
    saved = formats.read("viv1t2023", REFERENCES / "viv1t_2023/ckpt/model_state_as_saved.pt")
    plain = formats.read("viv1t2023", REFERENCES / _FILES["viv1t2023"])
    assert saved.config == plain.config
    for name, weight in plain.core.items():
        assert torch.equal(saved.core[name], weight)


@pytest.mark.parametrize("name", ["viv1t", "viv1t2023"])
def test_another_file_is_refused(name: str) -> None:
    with pytest.raises(BundleError, match="is no checkpoint of ViV1T's of 20"):
        formats.read(name, REFERENCES / "factorised3d_baseline/final.pth")
    module, file = {"viv1t": viv1t, "viv1t2023": viv1t2023}[name], REFERENCES / _FILES[name]
    missing = "core.vivit.temporal_transformer.blocks.1.ff_out.2.weight"
    checkpoint = formats.load(file)
    del (checkpoint if name == "viv1t" else checkpoint["model"])[missing]
    with pytest.raises(BundleError, match=f"has no '{missing}'"):
        module.translate(checkpoint)
