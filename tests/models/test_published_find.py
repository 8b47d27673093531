"""What loading a published file lets in."""

from pathlib import Path

import numpy as np
import pytest
import torch

from sensorium_ray.errors import BundleError
from sensorium_ray.published import find as formats


@pytest.mark.parametrize("number", [np.float64(0.25), np.float32(2), np.int64(3), np.bool_(True)])
def test_numbers_of_numpy_are_loaded(number: np.generic, tmp_path: Path) -> None:
    torch.save({"score": number}, tmp_path / "file.pt")
    assert formats.load(tmp_path / "file.pt") == {"score": number}


def test_anything_else_is_refused_without_trust(tmp_path: Path) -> None:
    torch.save({"where": Path("here"), "score": np.float64(0.25)}, tmp_path / "file.pt")
    with pytest.raises(BundleError, match="holds more than tensors and plain values"):
        formats.load(tmp_path / "file.pt")
    assert formats.load(tmp_path / "file.pt", trusted=True)["where"] == Path("here")
