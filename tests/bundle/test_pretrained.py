"""The bundles that come with the package are small, whole, and answer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sensorium_ray.bundle.manifest import find_bundles
from sensorium_ray.bundle.predictor import load_predictor
from sensorium_ray.bundle.pretrained import PRETRAINED
from sensorium_ray.data.clip import Clip

BUNDLES = find_bundles(PRETRAINED)


@pytest.mark.parametrize("path", BUNDLES.values(), ids=BUNDLES)
def test_a_bundle_that_comes_with_the_package_is_small_and_answers(path: Path) -> None:
    assert sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) < 5_000_000
    predictor = load_predictor(path)
    rng = np.random.default_rng(0)
    clip = Clip(rng.uniform(0, 255, (40, 36, 64)), rng.normal(size=(2, 40)), rng.normal(size=(2, 40)))
    for mouse in predictor.mice:
        answer = predictor.predict(clip, mouse)
        assert answer.shape == (predictor.neurons(mouse), 40)
        assert np.isfinite(answer).all()
        assert answer.std(axis=1).max() > 0
