"""3D cores and the factorised readout answer as the public starter kit's, given the same weights.

data/starter_kit_3d.npz holds seeded inputs and, a case each, weights under the names here with the float64 responses
(batch, frames, neurons) of the public code: neuralpredictors a2055cd with the video encoder of sensorium_2023 49547d9.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from models.references import Reference

from sensorium_ray.models import find
from sensorium_ray.models.population import MouseSpec, Population

_FILE = Path(__file__).parent / "data" / "starter_kit_3d.npz"
_SMALL = {"channels": (3, 4), "temporal_kernels": (3, 2), "normalisation": "raw"}
_CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "padded_gaussian": ("convolution3d", {"spatial_kernels": (9, 5)}),
    "strided_factorised": (
        "convolution3d",
        {"spatial_kernels": (9, 5), "padding": False, "stride": 2, "readout": "factorised"},
    ),
    "factorised3d_factorised": ("factorised3d", {"spatial_kernels": (15, 11), "readout": "factorised"}),
}


@pytest.mark.parametrize("case", sorted(_CASES))
@pytest.mark.parametrize(("dtype", "atol"), [("f32", 2e-5), ("f64", 1e-6)])
def test_3d_cores_and_the_factorised_readout(case: str, dtype: str, atol: float) -> None:
    found = dict(np.load(_FILE))
    weights = {name.removeprefix(f"{case}/"): array for name, array in found.items() if name.startswith(f"{case}/")}
    expected = weights.pop("outputs").swapaxes(1, 2)
    architecture, config = _CASES[case]
    population = Population([MouseSpec.unknown("mouse", expected.shape[1])])
    encoder = find.build(architecture, {**_SMALL, **config}, population).eval()
    state = {name: torch.from_numpy(array) for name, array in weights.items()}
    assert set(state) >= {name for name, _ in encoder.named_parameters()}
    encoder.load_state_dict({**encoder.state_dict(), **state})
    inputs = (found["video"] / 4, found["behavior"], found["pupil_center"])
    answer = Reference(encoder, population).answer(*inputs, mouse=0, dtype=dtype)
    np.testing.assert_allclose(answer, expected, atol=atol, rtol=1e-5)
