"""Dynamic-V1FM answers as the public reference code does, given the same weights, whichever levels take part."""

import shutil
from functools import cache
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from models.references import REFERENCES, Reference, vectors

from sensorium_ray.errors import BundleError
from sensorium_ray.models.hierarchical import LEVELS
from sensorium_ray.published import dynamic_v1fm
from sensorium_ray.published import find as formats

pytestmark = pytest.mark.skipif(not REFERENCES.is_dir(), reason="the reference vectors (../shared) are not here")

FOLDER = REFERENCES / "dynamic_vfm"
MODES = ["0", *("_".join(map(str, some)) for n in (1, 2, 3, 4) for some in combinations(LEVELS, n))]


@cache
def _found() -> dict[str, np.ndarray]:
    return vectors("dynamic_vfm")


def _inputs(mouse: int, frames: int) -> list[np.ndarray]:
    names = ("video", "behavior", "pupil_center")
    video, *rest = (_found()[f"mouse{mouse}_in_{name}_T{frames}"] for name in names)
    return [video[:, 0], *rest]


def _check(answer: np.ndarray, name: str) -> None:
    atol, rtol = {"f32": (1e-3, 1e-4), "f64": (1e-6, 1e-7)}[name[-3:]]
    np.testing.assert_allclose(answer, _found()[name].swapaxes(1, 2), atol=atol, rtol=rtol)


@pytest.mark.parametrize("mouse", [0, 1])
@pytest.mark.parametrize("kind", ["mean", "adaptive"])
def test_every_mode_by_the_name_of_its_file(kind: str, mouse: int, tmp_path: Path) -> None:
    """The core is the same for all, and is computed once."""
    begins = f"{kind}_mouse{mouse}_T30_mode"
    assert {n[len(begins) : -4] for n in _found() if n.startswith(begins)} == set(MODES)
    inputs, features = [torch.from_numpy(array) for array in _inputs(mouse, 30)], None
    for mode in MODES:
        file = shutil.copy(FOLDER / f"model_{kind}.pth", tmp_path / f"model_{mode}.pth")
        found = Reference.load("dynamic_v1fm", file)
        neurons = torch.tensor(found.population.neuron_range(found.population.mice[mouse].name))
        with torch.no_grad():
            features = found.encoder.core(*inputs) if features is None else features
            answer = found.encoder.readout(features, *inputs[1:], torch.tensor([mouse]), neurons)
        _check(answer.numpy(), f"{begins}{mode}_f32")


@pytest.mark.parametrize("mouse", [0, 1])
@pytest.mark.parametrize("kind", ["mean", "adaptive"])
@pytest.mark.parametrize("levels", [(), LEVELS])
def test_all_levels_and_none_in_double_precision(kind: str, mouse: int, levels: tuple[int, ...]) -> None:
    reference = Reference.load("dynamic_v1fm", f"dynamic_vfm/model_{kind}.pth", levels=levels)
    answer = reference.answer(*_inputs(mouse, 30), mouse=mouse, dtype="f64")
    _check(answer, f"{kind}_mouse{mouse}_T30_mode{'_'.join(map(str, levels)) or '0'}_f64")


@pytest.mark.parametrize("mouse", [0, 1])
@pytest.mark.parametrize("frames", [48, 12])
@pytest.mark.parametrize("dtype", ["f32", "f64"])
def test_windows_of_other_lengths(mouse: int, frames: int, dtype: str) -> None:
    """12 frames are six patches, fewer than a window of attention."""
    reference = Reference.load("dynamic_v1fm", "dynamic_vfm/model_mean.pth")
    answer = reference.answer(*_inputs(mouse, frames), mouse=mouse, dtype=dtype)
    _check(answer, f"mean_mouse{mouse}_T{frames}_mode2_4_8_16_{dtype}")


@pytest.mark.parametrize(("kind", "parameters"), [("mean", 35_686), ("adaptive", 35_958)])
def test_it_has_as_many_parameters_as_the_reference(kind: str, parameters: int) -> None:
    encoder = Reference.load("dynamic_v1fm", f"dynamic_vfm/model_{kind}.pth").encoder
    assert sum(p.numel() for p in encoder.parameters()) == parameters


def test_a_file_of_another_format_is_refused() -> None:
    with pytest.raises(BundleError, match="is no checkpoint of Dynamic-V1FM's"):
        Reference.load("dynamic_v1fm", "factorised3d_baseline/final.pth")


def test_a_missing_weight_is_named() -> None:
    weights = formats.load(FOLDER / "model_mean.pth")
    del weights["module.core.transformer.blocks.1.mha.proj.bias"]
    with pytest.raises(BundleError, match=r"has no 'core\.transformer\.blocks\.1\.mha\.proj\.bias'"):
        dynamic_v1fm.translate(weights)
