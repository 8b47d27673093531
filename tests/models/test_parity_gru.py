"""The starter kit's GRU baseline answers as its reference code does, given its weights in its format."""

import numpy as np
import pytest
from models.references import REFERENCES, Reference, vectors

pytestmark = pytest.mark.skipif(not REFERENCES.is_dir(), reason="the reference vectors (../shared) are not here")

FOLDER = "gru_baseline"


@pytest.fixture(scope="module")
def found() -> dict[str, np.ndarray]:
    return vectors(FOLDER)


@pytest.fixture
def reference() -> Reference:
    return Reference.load("sensorium2023", f"{FOLDER}/final.pth")


@pytest.mark.parametrize("mouse", [0, 1])
@pytest.mark.parametrize("frames", [80, 48])
@pytest.mark.parametrize(("dtype", "atol", "rtol"), [("f32", 1e-4, 1e-4), ("f64", 1e-6, 1e-7)])
def test_answers(
    found: dict[str, np.ndarray], reference: Reference, mouse: int, frames: int, dtype: str, atol: float, rtol: float
) -> None:
    inputs = [found[f"mouse{mouse}_in_{name}_T{frames}"] for name in ("video", "behavior", "pupil_center")]
    answer = reference.answer(inputs[0][:, 0], *inputs[1:], mouse=mouse, dtype=dtype)
    expected = found[f"mouse{mouse}_out_T{frames}_{dtype}"].swapaxes(1, 2)
    np.testing.assert_allclose(answer, expected, atol=atol, rtol=rtol)
