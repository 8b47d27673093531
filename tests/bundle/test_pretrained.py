"""The bundles that come with the package."""

from pathlib import Path

import numpy as np
import pytest

from sensorium_ray.bundle.manifest import find_bundles
from sensorium_ray.bundle.predictor import load_predictor
from sensorium_ray.bundle.pretrained import PRETRAINED
from sensorium_ray.data.clip import Clip

BUNDLES = find_bundles(PRETRAINED)


@pytest.mark.parametrize("bundle", BUNDLES.values(), ids=BUNDLES)
def test_a_pretrained_bundle_is_small_and_answers_to_what_is_shown(bundle: Path) -> None:
    assert sum(file.stat().st_size for file in bundle.rglob("*")) < 5e6
    predictor, rng = load_predictor(bundle), np.random.default_rng(0)
    still = Clip(np.full((60, *predictor.manifest.frame_shape), 128.0), np.ones((2, 60)), np.ones((2, 60)))
    noise = Clip(rng.uniform(0, 255, still.video.shape), still.behavior, still.pupil_center)
    for mouse in predictor.mice:
        quiet, driven = predictor.predict(still, mouse), predictor.predict(noise, mouse)
        assert np.isfinite(driven).all()
        assert driven.shape == (predictor.neurons(mouse), 60)
        assert not np.allclose(quiet, driven)


@pytest.mark.parametrize("bundle", BUNDLES.values(), ids=BUNDLES)
def test_it_says_what_it_was_made_from_and_not_where(bundle: Path) -> None:
    manifest = load_predictor(bundle).manifest
    assert manifest.parity is not None
    assert manifest.parity.max_error <= manifest.parity.tolerance
    assert {"version", "data_checksum", "training"} <= set(manifest.provenance)
    assert not Path(manifest.provenance["store"]).is_absolute()
