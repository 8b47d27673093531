"""The published networks answer as the public reference code does, given the same weights in the published formats."""

import numpy as np
import pytest
from models.references import REFERENCES, Reference, vectors

from sensorium_ray.data.clip import Clip
from sensorium_ray.training.inference import torch_run

pytestmark = pytest.mark.skipif(not REFERENCES.is_dir(), reason="the reference vectors (../shared) are not here")


@pytest.mark.parametrize("mouse", [0, 1])
@pytest.mark.parametrize("frames", [80, 48])
@pytest.mark.parametrize(("dtype", "atol"), [("f32", 1e-4), ("f64", 1e-6)])
def test_factorised3d_baseline(mouse: int, frames: int, dtype: str, atol: float) -> None:
    found = vectors("factorised3d_baseline")
    reference = Reference.load("sensorium2023", "factorised3d_baseline/final.pth")
    inputs = [found[f"mouse{mouse}_in_{name}_T{frames}"] for name in ("video", "behavior", "pupil_center")]
    answer = reference.answer(inputs[0][:, 0], *inputs[1:], mouse=mouse, dtype=dtype)
    expected = found[f"mouse{mouse}_out_T{frames}_{dtype}"].swapaxes(1, 2)
    np.testing.assert_allclose(answer, expected, atol=atol, rtol=1e-4)


@pytest.mark.parametrize("mouse", [0, 1])
@pytest.mark.parametrize(("dtype", "atol"), [("f32", 1e-3), ("f64", 1e-6)])
def test_dwiseneuro_windows(mouse: int, dtype: str, atol: float) -> None:
    found = vectors("dwiseneuro")
    reference = Reference.load("dwiseneuro", "dwiseneuro/model-017-0.123456.pth")
    frames = found["window_indexes"]
    inputs = [np.moveaxis(found[name][..., frames], -2, 0) for name in ("video", "behavior", "pupil_center")]
    answer = reference.answer(inputs[0].transpose(0, 3, 1, 2), *inputs[1:], mouse=mouse, dtype=dtype)
    np.testing.assert_allclose(answer, found[f"window_outputs_mouse{mouse}_{dtype}"], atol=atol, rtol=1e-4)


def test_dwiseneuro_whole_trial_by_overlapping_windows() -> None:
    found = vectors("dwiseneuro")
    reference = Reference.load("dwiseneuro", "dwiseneuro/model-017-0.123456.pth")
    run = torch_run(reference.encoder, reference.population, "mouse1")
    clip = Clip(np.moveaxis(found["video"], -1, 0), found["behavior"], found["pupil_center"])
    answer = reference.encoder.cut.predict(run, clip)
    np.testing.assert_allclose(answer, found["trial_prediction_mouse1_f32"], atol=1e-3, rtol=1e-4)
