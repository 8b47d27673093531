"""Checkpoints of the public starter kit's other models answer as its code does: 3D cores, readouts, the plain GRU.

data/starter_kit.npz holds seeded inputs and, a case each, a state dictionary of the public code (neuralpredictors
a2055cd with the video encoder of sensorium_2023 49547d9) with its float64 responses (batch, frames, neurons) a mouse.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from models.references import Reference

from sensorium_ray.bundle.importing import import_checkpoint
from sensorium_ray.errors import BundleError
from sensorium_ray.models.find import make_config
from sensorium_ray.published import find as formats

_FOUND = dict(np.load(Path(__file__).parent / "data" / "starter_kit.npz"))
_CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "convolution3d_gaussian": ("convolution3d", {"padding": True}),
    "convolution3d_factorised": ("convolution3d", {"padding": False, "stride": 2, "readout": "factorised"}),
    "factorised3d_factorised": ("factorised3d", {"padding": False, "stride": 1, "readout": "factorised"}),
    "factorised3d_padded": ("factorised3d", {"padding": False}),
    "gru_plain": ("gru", {"rotations": 1, "features": 4, "input_kernel": 5, "hidden_kernel": 3}),
}
"""What each is told to be. That the maps of `factorised3d_padded` are padded, its file does not say."""


def _checkpoint(case: str, folder: Path) -> Path:
    arrays = {name.removeprefix(f"{case}/"): array for name, array in _FOUND.items() if name.startswith(f"{case}/")}
    state = {name: torch.from_numpy(array) for name, array in arrays.items() if not name.startswith("outputs/")}
    torch.save(state, folder / "final.pth")
    return folder / "final.pth"


@pytest.mark.parametrize("case", sorted(_CASES))
def test_the_file_tells_the_architecture_and_its_settings(case: str, tmp_path: Path) -> None:
    foreign = formats.read("sensorium2023", _checkpoint(case, tmp_path))
    architecture, told = _CASES[case]
    assert foreign.architecture == architecture
    config = asdict(make_config(architecture, foreign.config))
    assert config.items() >= told.items()
    assert [(mouse.name, mouse.neurons) for mouse in foreign.mice] == [
        ("dynamic1-1-1-Video-a", 4),
        ("dynamic2-2-2-Video-b", 3),
    ]


@pytest.mark.parametrize("case", sorted(_CASES))
@pytest.mark.parametrize(("dtype", "atol"), [("f32", 2e-5), ("f64", 1e-6)])
def test_answers(case: str, dtype: str, atol: float, tmp_path: Path) -> None:
    settings = {"padding": True} if case == "factorised3d_padded" else {}
    reference = Reference.load("sensorium2023", str(_checkpoint(case, tmp_path)), **settings)
    inputs = (_FOUND["video"] / 4, _FOUND["behavior"], _FOUND["pupil_center"])
    for mouse, spec in enumerate(reference.population.mice):
        expected = _FOUND[f"{case}/outputs/{spec.name}"].swapaxes(1, 2)
        answer = reference.answer(*inputs, mouse=mouse, dtype=dtype)
        np.testing.assert_allclose(answer, expected, atol=atol, rtol=1e-5)


def test_what_the_file_does_not_tell_is_set_by_hand(tmp_path: Path) -> None:
    file = _checkpoint("factorised3d_padded", tmp_path)
    manifest = import_checkpoint("sensorium2023", file, tmp_path / "bundle", settings={"padding": True})
    assert manifest.config["padding"] is True
    assert manifest.provenance["settings_given"] == {"padding": True}


def test_masks_that_no_padding_or_stride_explains_are_refused(tmp_path: Path) -> None:
    file = _checkpoint("convolution3d_factorised", tmp_path)
    state = torch.load(file, weights_only=True)
    state = {name: value[:, 1:] if name.endswith(".spatial") else value for name, value in state.items()}
    torch.save(state, file)
    with pytest.raises(BundleError, match="has masks of 9x24 pixels, which no padding or stride of its core gives"):
        formats.read("sensorium2023", file)
