"""Both ViV1T answer as the public reference code does, given the same weights in the published formats."""

import numpy as np
import pytest
from models.references import REFERENCES, Reference, vectors

pytestmark = pytest.mark.skipif(not REFERENCES.is_dir(), reason="the reference vectors (../shared) are not here")

_FILES = {"viv1t": "viv1t_2025/ckpt/model.pt", "viv1t2023": "viv1t_2023/ckpt/model_state.pt"}
_MICE = {"viv1t": "AB", "viv1t2023": "AF"}
_SETTINGS: dict[str, dict[str, int]] = {"viv1t": {"max_frames": 40}, "viv1t2023": {}}
"""Of the small networks, as far as their checkpoints do not tell them."""


@pytest.mark.parametrize("mouse", [0, 1])
@pytest.mark.parametrize("frames", [32, 48])
@pytest.mark.parametrize(("dtype", "atol"), [("f32", 1e-4), ("f64", 1e-6)])
@pytest.mark.parametrize("name", ["viv1t", "viv1t2023"])
def test_viv1t(name: str, mouse: int, frames: int, dtype: str, atol: float) -> None:
    found = vectors(_FILES[name].split("/")[0])
    reference = Reference.load(name, _FILES[name], **_SETTINGS[name])
    clip = f"{_MICE[name][mouse]}_T{frames}"
    inputs = [found[f"in_{part}_{clip}"] for part in ("video", "behavior", "pupil_center")]
    answer = reference.answer(inputs[0][:, 0], *inputs[1:], mouse=mouse, dtype=dtype)
    print(np.abs(answer - found[f"out_{clip}_{dtype}"]).max())
    np.testing.assert_allclose(answer, found[f"out_{clip}_{dtype}"], atol=atol, rtol=1e-4)
