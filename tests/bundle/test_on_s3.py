"""Bundles on s3://: opened, made and put together there as on a disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import s3fs
from tiny_store import Tiny

from sensorium_ray.bundle.ensemble import write_ensemble
from sensorium_ray.bundle.predictor import load_predictor
from sensorium_ray.data.store import FrameStore
from sensorium_ray.ensembling.learning import learn_ensemble
from sensorium_ray.errors import BundleError, DataError
from sensorium_ray.storage import locate


@pytest.fixture(scope="module")
def bucket(tiny: Tiny, s3_server: str) -> str:
    """One with the tiny bundles in it."""
    files = s3fs.S3FileSystem(use_listings_cache=False)
    files.mkdir("bundles")
    for bundle in (tiny.good, tiny.bad, tiny.ensemble):
        files.put(str(bundle), f"s3://bundles/{bundle.name}", recursive=True)
    return "s3://bundles"


@pytest.fixture(scope="module")
def answer(tiny: Tiny) -> Callable[[object], np.ndarray]:
    """What a bundle answers to a clip."""
    mouse = FrameStore.open(tiny.store)["mouse-a"]
    return lambda bundle: load_predictor(str(bundle)).predict(mouse.clip(0), mouse.name)


def test_a_bundle_is_opened_there(tiny: Tiny, bucket: str, answer: Callable) -> None:
    np.testing.assert_array_equal(answer(f"{bucket}/good"), answer(tiny.good))
    np.testing.assert_array_equal(answer(f"{bucket}/both"), answer(tiny.ensemble))
    assert str(load_predictor(f"{bucket}/good").path) == f"{bucket}/good"


def test_what_is_no_bundle_or_damaged_is_told(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSORIUM_CACHE", str(tmp_path))  # else the whole file, which is there already, is taken
    with pytest.raises(BundleError, match=r"s3://bundles/nothing: is not a bundle"):
        load_predictor(f"{bucket}/nothing")
    files = s3fs.S3FileSystem()
    files.copy("bundles/good", "bundles/damaged", recursive=True)
    files.pipe("bundles/damaged/model.onnx", b"something else")
    with pytest.raises(DataError, match=r"s3://bundles/damaged/model\.onnx: differs from its checksum"):
        load_predictor(f"{bucket}/damaged")
    files.rm("bundles/damaged/model.onnx")
    with pytest.raises(BundleError, match=r"s3://bundles/damaged/model\.onnx: file is missing"):
        load_predictor(f"{bucket}/damaged")


def test_an_ensemble_is_written_there(tiny: Tiny, bucket: str, answer: Callable) -> None:
    members = {name: locate(f"{bucket}/{name}") for name in ("good", "bad")}
    write_ensemble(members, (0.75, 0.25), locate(f"{bucket}/again"), {})
    np.testing.assert_array_equal(answer(f"{bucket}/again"), answer(tiny.ensemble))


@pytest.mark.slow
def test_an_ensemble_is_learned_there(tiny: Tiny, bucket: str, tmp_path: Path, ray_session: None) -> None:
    s3fs.S3FileSystem().put(str(tiny.store), "s3://bundles-store", recursive=True)
    there = learn_ensemble("s3://bundles-store", [f"{bucket}/good", f"{bucket}/bad"], f"{bucket}/learned")
    here = learn_ensemble(tiny.store, [tiny.good, tiny.bad], tmp_path / "learned")
    assert there.members == here.members
    assert there.provenance["ensembling"] == here.provenance["ensembling"]
