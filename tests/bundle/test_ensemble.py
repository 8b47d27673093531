"""An ensemble is a bundle like any other."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from world import World

from sensorium_ray.bundle.ensemble import write_ensemble
from sensorium_ray.bundle.predictor import load_predictor
from sensorium_ray.data.store import FrameStore
from sensorium_ray.errors import BundleError


def test_an_ensemble_answers_with_the_weighted_mean_and_can_be_moved(
    bundles: dict[str, Path], world: World, tmp_path: Path
) -> None:
    members = {name: bundles[name] for name in ("factorised3d", "dwiseneuro")}
    write_ensemble(members, [0.25, 0.75], tmp_path / "made", {})
    moved = shutil.move(tmp_path / "made", tmp_path / "moved")
    ensemble = load_predictor(moved, threads=1)
    store = FrameStore.open(world.store)
    mouse = store.mice[0]
    clip = store[mouse].clip(store[mouse].select("oracle")[0].trial)
    first, second = (load_predictor(path, threads=1).predict(clip, mouse) for path in members.values())
    np.testing.assert_allclose(ensemble.predict(clip, mouse), 0.25 * first + 0.75 * second, rtol=1e-5)
    streamed = list(ensemble.stream(clip, mouse))
    np.testing.assert_array_equal(np.concatenate(streamed, axis=1), ensemble.predict(clip, mouse))
    nested = {"pair": Path(moved), "linear_nonlinear": bundles["linear_nonlinear"]}
    write_ensemble(nested, [0.5, 0.5], tmp_path / "nested", {})
    third = load_predictor(bundles["linear_nonlinear"], threads=1).predict(clip, mouse)
    expected = 0.5 * (0.25 * first + 0.75 * second) + 0.5 * third
    np.testing.assert_allclose(load_predictor(tmp_path / "nested", threads=1).predict(clip, mouse), expected, rtol=1e-5)


def test_an_ensembles_own_weights_of_each_neuron_hold_for_real_networks(
    bundles: dict[str, Path], world: World, tmp_path: Path
) -> None:
    members = {name: bundles[name] for name in ("factorised3d", "dwiseneuro")}
    store = FrameStore.open(world.store)
    rng = np.random.default_rng(0)
    weights = {mouse: rng.dirichlet([1, 1], store[mouse].neurons).T for mouse in store.mice}
    write_ensemble(members, weights, tmp_path / "made", {})
    mouse = store.mice[-1]
    clip = store[mouse].clip(store[mouse].select("oracle")[0].trial)
    chosen = np.array([5, 0, 2])
    both = np.stack([load_predictor(path, threads=1).predict(clip, mouse) for path in members.values()])
    expected = np.einsum("mn,mnt->nt", weights[mouse], both)
    ensemble = load_predictor(tmp_path / "made", threads=1)
    np.testing.assert_allclose(ensemble.predict(clip, mouse), expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(ensemble.predict(clip, mouse, chosen), expected[chosen], rtol=1e-4, atol=1e-6)


def test_a_damaged_member_is_refused(bundles: dict[str, Path], tmp_path: Path) -> None:
    write_ensemble({name: bundles[name] for name in ("factorised3d", "dwiseneuro")}, [0.5, 0.5], tmp_path / "e", {})
    (tmp_path / "e" / "members" / "dwiseneuro" / "model.onnx").unlink()
    with pytest.raises(BundleError, match=r"members/dwiseneuro/model\.onnx: file is missing"):
        load_predictor(tmp_path / "e")


def test_members_of_other_mice_are_refused(bundles: dict[str, Path], tmp_path: Path) -> None:
    other = shutil.copytree(bundles["factorised3d"], tmp_path / "other")
    manifest = other / "manifest.json"
    manifest.write_text(manifest.read_text().replace("dynamic00001", "dynamic99999"))
    with pytest.raises(BundleError, match="has other neurons than dwiseneuro"):
        write_ensemble({"dwiseneuro": bundles["dwiseneuro"], "other": other}, [0.5, 0.5], tmp_path / "e", {})
    assert not (tmp_path / "e").exists()
