"""Bundles know where their neurons lie, as far as the mice that they were made from do."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from tiny_store import MICE, Tiny
from world import World

from sensorium_ray.bundle.anatomy import NEURONS, Anatomy, read_anatomy, write_anatomy
from sensorium_ray.bundle.ensemble import write_ensemble
from sensorium_ray.bundle.export import export
from sensorium_ray.bundle.manifest import Manifest, checksums
from sensorium_ray.bundle.predictor import load_predictor
from sensorium_ray.bundle.pretrained import PRETRAINED
from sensorium_ray.errors import BundleError
from sensorium_ray.storage import read_npz, write_npz

PLACES = {name: np.arange(3.0 * len(ids), dtype=np.float32).reshape(-1, 3) for name, ids in MICE.items()}
REAL = Path(__file__).parents[3] / "shared" / "data" / "sensorium2023"


def known(bundle: Path) -> dict[str, Anatomy]:
    return read_anatomy(bundle, Manifest.read(bundle))


def sealed(bundle: Path, **changes: object) -> Path:
    """The bundle, its manifest changed, with the checksums of what is in it now."""
    Manifest.read(bundle).model_copy(update={"files": checksums(bundle), **changes}).write(bundle)
    return bundle


@pytest.fixture
def bundle(tiny: Tiny, tmp_path: Path) -> Path:
    """One that knows nothing yet, to write into."""
    return Path(shutil.copytree(tiny.good, tmp_path / "good"))


def test_an_exported_bundle_knows_the_published_positions(bundles: dict[str, Path], world: World) -> None:
    for mouse, anatomy in known(bundles["linear_nonlinear"]).items():
        published = np.load(world.mice / mouse / "meta" / "neurons" / "cell_motor_coordinates.npy")
        assert anatomy.positions is not None
        assert anatomy.positions.dtype == np.float32
        np.testing.assert_array_equal(anatomy.positions, published)
        assert anatomy.areas is None  # mice of 2023 are published without


def test_what_comes_with_the_package_knows_where_its_neurons_lie() -> None:
    for bundle in PRETRAINED.iterdir():
        for mouse in known(bundle).values():
            assert mouse.positions is not None
            depths = np.unique(mouse.positions[:, 2])
            np.testing.assert_array_equal(depths, np.arange(200, 450, 25))


@pytest.mark.skipif(not REAL.is_dir(), reason="the published mice's metadata (../shared) are not here")
def test_positions_of_the_published_mice_are_kept_to_the_micrometre(bundle: Path) -> None:
    published = {
        f"mouse{letter}": np.load(REAL / f"mouse{letter}" / "neuron_coordinates.npy") for letter in "ABCDEFGHIJ"
    }
    entry = Manifest.read(bundle).mice[0]
    mice = tuple(
        entry.model_copy(update={"name": name, "unit_ids": tuple(range(len(places)))})
        for name, places in published.items()
    )
    write_anatomy(bundle, {name: Anatomy(places.astype(np.float32)) for name, places in published.items()})
    for name, anatomy in known(sealed(bundle, mice=mice)).items():
        np.testing.assert_array_equal(anatomy.positions, published[name])


def test_an_older_bundle_knows_nothing_and_answers_as_before(tiny: Tiny) -> None:
    assert NEURONS not in Manifest.read(tiny.good).files
    assert load_predictor(tiny.good).mice == list(MICE)
    assert all(mouse.positions is None and mouse.areas is None for mouse in known(tiny.good).values())


def test_a_bundle_may_know_some_of_it(bundle: Path) -> None:
    first, second = MICE
    write_anatomy(bundle, {first: Anatomy(PLACES[first], np.array(["V1", "LM", "V1", "AL"])), second: Anatomy()})
    found = known(sealed(bundle))
    np.testing.assert_array_equal(found[first].positions, PLACES[first])
    assert found[first].areas is not None
    assert found[first].areas.tolist() == ["V1", "LM", "V1", "AL"]
    assert (found[second].positions, found[second].areas) == (None, None)


def test_an_ensemble_knows_what_the_first_member_that_knows_does(bundle: Path, tiny: Tiny, tmp_path: Path) -> None:
    write_anatomy(bundle, {mouse: Anatomy(places) for mouse, places in PLACES.items()})
    write_ensemble({"bad": tiny.bad, "good": sealed(bundle)}, [0.5, 0.5], tmp_path / "both", {})
    load_predictor(tmp_path / "both")
    for mouse, anatomy in known(tmp_path / "both").items():
        np.testing.assert_array_equal(anatomy.positions, PLACES[mouse])
    write_ensemble({"bad": tiny.bad, "good": tiny.good}, [0.5, 0.5], tmp_path / "older", {})
    assert NEURONS not in Manifest.read(tmp_path / "older").files


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"mouse-a/positions": PLACES["mouse-a"][:3]}, r"float32 \(3, 3\), of the manifest's neurons it is \(4, 3\)"),
        ({"mouse-b/areas": np.array(["V1"])}, r"<U2 \(1,\), of the manifest's neurons it is \(6,\)"),
        ({"mouse-b/areas": np.arange(6)}, r"int64 \(6,\), of the manifest's"),
        ({"mouse-a/positions": PLACES["mouse-a"] * np.float32("nan")}, "positions that are not finite"),
    ],
)
def test_what_is_not_of_the_neurons_is_refused(bundle: Path, arrays: dict[str, np.ndarray], sentence: str) -> None:
    write_npz(bundle / NEURONS, arrays)
    sealed(bundle)
    with pytest.raises(BundleError, match=rf"neurons\.npz: .*{sentence}.*copy or export the bundle again"):
        known(bundle)


def test_a_file_that_is_damaged_or_missing_is_refused(bundle: Path) -> None:
    write_anatomy(bundle, {"mouse-a": Anatomy(PLACES["mouse-a"])})
    sealed(bundle)
    whole = (bundle / NEURONS).read_bytes()
    (bundle / NEURONS).write_bytes(whole[:-1])
    with pytest.raises(BundleError, match="differs from the manifest's checksum"):
        known(bundle)
    with pytest.raises(BundleError, match="is not a readable npz"):
        known(sealed(bundle))
    (bundle / NEURONS).unlink()
    with pytest.raises(BundleError, match="file is missing"):
        known(bundle)


def test_a_checkpoint_with_another_number_of_positions_is_refused(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    copy = Path(shutil.copytree(checkpoints["linear_nonlinear"], tmp_path / "checkpoint"))
    arrays = read_npz(copy / "population.npz")
    write_npz(copy / "population.npz", arrays | {"0/coordinates": arrays["0/coordinates"][1:]})
    with pytest.raises(BundleError, match=r"is not a whole checkpoint \(dynamic.* has coordinates \(\d+, 3\) beside"):
        export(copy, tmp_path / "bundle")
    write_npz(copy / "population.npz", arrays | {"0/areas": np.array(["V1"])})
    with pytest.raises(BundleError, match=r"is not a whole checkpoint \(dynamic.* has areas \(1,\) beside"):
        export(copy, tmp_path / "bundle")
