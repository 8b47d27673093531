"""The models are those of the folder as it is now, on a disk or in a bucket."""

from __future__ import annotations

import asyncio
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from serving.conftest import AREAS, POSITIONS

from sensorium_ray import storage
from sensorium_ray.bundle.anatomy import NEURONS
from sensorium_ray.bundle.manifest import MANIFEST, Manifest
from sensorium_ray.bundle.predictor import load_predictor
from sensorium_ray.data.clip import Clip
from sensorium_ray.errors import BundleError
from sensorium_ray.serving import catalogue
from sensorium_ray.serving.catalogue import Catalogue
from sensorium_ray.serving.predictors import Predictors


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "_AGE", {False: 0.0, True: 0.0})


@pytest.fixture
def folder(bundles: Path, tmp_path: Path) -> Path:
    shutil.copytree(bundles / "tiny", tmp_path / "models" / "tiny")
    return tmp_path / "models"


def add(folder: Path, name: str) -> None:
    """A copy of 'tiny' under another name, put there whole, as `export` does."""
    with storage.atomic_path(folder / name) as partial:
        shutil.copytree(folder / "tiny", partial)
        Manifest.read(partial).model_copy(update={"name": name}).write(partial)


def test_bundles_come_and_go(folder: Path) -> None:
    models = Catalogue(folder)
    assert list(models) == ["tiny"]
    add(folder, "second")
    assert sorted(models) == ["second", "tiny"]
    assert models["second"].manifest.name == "second"
    shutil.rmtree(folder / "tiny")
    assert list(models) == ["second"]
    shutil.rmtree(folder / "second")
    assert len(models) == 0


def asked(predictors: Predictors, clip: Clip, mouse: str) -> np.ndarray:
    async def ask() -> np.ndarray:
        return np.concatenate([part async for part in predictors.predict("tiny", clip, mouse, None)], axis=1)

    return asyncio.run(ask())


def test_one_that_is_replaced_answers_anew(folder: Path, clip: Clip) -> None:
    models = Catalogue(folder)
    predictors = Predictors(models)

    def ask(mouse: str) -> np.ndarray:
        return asked(predictors, clip, mouse)

    before = ask("mouse-a")
    manifest = Manifest.read(folder / "tiny")
    swapped = [mouse.model_copy(update={"name": f"{mouse.name}-2"}) for mouse in manifest.mice]
    manifest.model_copy(update={"mice": tuple(swapped)}).write(folder / "tiny")
    assert [mouse.name for mouse in models["tiny"].manifest.mice] == ["mouse-a-2", "mouse-b-2"]
    np.testing.assert_array_equal(ask("mouse-a-2"), before)


def test_what_is_damaged_is_left_out_and_logged(folder: Path, log: pytest.LogCaptureFixture) -> None:
    models = Catalogue(folder)
    add(folder, "second")
    (folder / "second" / MANIFEST).write_text("{")
    assert list(models) == ["tiny"]
    assert "second" in log.text
    with pytest.raises(BundleError, match="second"):
        Catalogue(folder)


def test_a_replica_that_begins_anew_bears_what_is_damaged(folder: Path) -> None:
    sent = pickle.dumps(Catalogue(folder))
    add(folder, "second")
    (folder / "second" / MANIFEST).write_text("{")
    assert list(pickle.loads(sent)) == ["tiny"]  # noqa: S301 - as Ray sends it to a replica


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="holds no bundle"):
        Catalogue(tmp_path)


def test_another_process_reads_the_folder_by_itself(folder: Path) -> None:
    sent = pickle.dumps(Catalogue(folder))
    add(folder, "second")
    assert sorted(pickle.loads(sent)) == ["second", "tiny"]  # noqa: S301 - as Ray sends it to a replica


def test_where_neurons_lie_is_read_once_and_only_when_it_is_asked_for(folder: Path) -> None:
    models = Catalogue(folder)
    file = folder / "tiny" / NEURONS
    whole = file.read_bytes()
    file.write_bytes(b"damaged")
    assert models["tiny"].unit_ids("mouse-a").tolist() == [5, 7, 9]
    with pytest.raises(BundleError, match=r"neurons\.npz: differs from the manifest's checksum"):
        models["tiny"].anatomy("mouse-a")
    file.write_bytes(whole)
    first = models["tiny"].anatomy("mouse-a")
    assert first.areas is not None
    assert first.areas.tolist() == AREAS
    file.unlink()
    assert models["tiny"].anatomy("mouse-a") is first


@pytest.mark.usefixtures("s3_server")
def test_a_bucket_is_a_folder_too(folder: Path, clip: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import s3fs

    monkeypatch.setenv("SENSORIUM_CACHE", str(tmp_path / "cache"))
    bucket = s3fs.S3FileSystem()
    bucket.mkdir("catalogue")
    bucket.put(str(folder / "tiny"), "catalogue/models/tiny", recursive=True)
    models = Catalogue("s3://catalogue/models")
    assert list(models) == ["tiny"]
    answer = asked(Predictors(models), clip, "mouse-a")
    np.testing.assert_array_equal(answer, load_predictor(folder / "tiny").predict(clip, "mouse-a"))
    positions = models["tiny"].anatomy("mouse-a").positions
    np.testing.assert_array_equal(positions, POSITIONS)
    add(folder, "second")
    bucket.put(str(folder / "second"), "catalogue/models/second", recursive=True)
    assert sorted(models) == ["second", "tiny"]
    bucket.rm("catalogue/models/tiny", recursive=True)
    assert list(models) == ["second"]
