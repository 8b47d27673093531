"""Dynamic-V1FM answers as the public reference code does, given the same weights, whichever levels take part."""

import shutil
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from models.references import REFERENCES, Reference, vectors

from sensorium_ray.models.hierarchical import LEVELS

pytestmark = pytest.mark.skipif(not REFERENCES.is_dir(), reason="the reference vectors (../shared) are not here")

FOLDER = REFERENCES / "dynamic_vfm"
MODES = ["0", *("_".join(map(str, some)) for n in (1, 2, 3, 4) for some in combinations(LEVELS, n))]


def _check(reference: Reference, found: dict[str, np.ndarray], kind: str, frames: int, mode: str, dtype: str) -> None:
    for mouse in (0, 1):
        inputs = [found[f"mouse{mouse}_in_{name}_T{frames}"] for name in ("video", "behavior", "pupil_center")]
        answer = reference.answer(inputs[0][:, 0], *inputs[1:], mouse=mouse, dtype=dtype)
        expected = found[f"{kind}_mouse{mouse}_T{frames}_mode{mode}_{dtype}"].swapaxes(1, 2)
        atol, rtol = {"f32": (1e-3, 1e-4), "f64": (1e-6, 1e-7)}[dtype]
        np.testing.assert_allclose(answer, expected, atol=atol, rtol=rtol)


@pytest.mark.parametrize("kind", ["mean", "adaptive"])
def test_every_mode_by_the_name_of_its_file(kind: str, tmp_path: Path) -> None:
    found = vectors("dynamic_vfm")
    modes = {name.split("_mode")[1][:-4] for name in found if name.startswith(kind) and name.endswith("f32")}
    assert modes == set(MODES)
    for mode in MODES:
        file = shutil.copy(FOLDER / f"model_{kind}.pth", tmp_path / f"model_{mode}.pth")
        _check(Reference.load("dynamic_v1fm", file), found, kind, 30, mode, "f32")


@pytest.mark.parametrize("kind", ["mean", "adaptive"])
@pytest.mark.parametrize("levels", [(), LEVELS])
def test_all_levels_and_none_in_double_precision(kind: str, levels: tuple[int, ...]) -> None:
    reference = Reference.load("dynamic_v1fm", f"dynamic_vfm/model_{kind}.pth", levels=levels)
    _check(reference, vectors("dynamic_vfm"), kind, 30, "_".join(map(str, levels)) or "0", "f64")


@pytest.mark.parametrize("frames", [48, 12])
@pytest.mark.parametrize("dtype", ["f32", "f64"])
def test_windows_of_other_lengths(frames: int, dtype: str) -> None:
    """12 frames are six patches, fewer than a window of attention."""
    reference = Reference.load("dynamic_v1fm", "dynamic_vfm/model_mean.pth")
    _check(reference, vectors("dynamic_vfm"), "mean", frames, "2_4_8_16", dtype)
