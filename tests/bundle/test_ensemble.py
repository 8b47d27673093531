"""Ensembles: the weights are the best ones, and an ensemble is a bundle like any other."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from world import World

from sensorium_ray.bundle.ensemble import fit_weights, write_ensemble
from sensorium_ray.bundle.predictor import load_predictor
from sensorium_ray.data.store import FrameStore
from sensorium_ray.errors import BundleError
from sensorium_ray.metrics.statistics import CoMoments


def _correlation(recorded: np.ndarray, predicted: np.ndarray) -> float:
    return float(CoMoments.of(np.stack([recorded, predicted])).correlation(0, 1).mean())


@given(seed=st.integers(0, 10_000), noise=st.lists(st.floats(0.2, 3), min_size=2, max_size=5))
def test_the_weights_are_convex_and_never_worse_than_the_best_member_or_the_mean(seed: int, noise: list[float]) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(6, 80))
    recorded = truth + rng.normal(size=truth.shape)
    members = np.stack([truth + level * rng.normal(size=truth.shape) for level in noise])
    weights = fit_weights([CoMoments.of(np.stack([recorded, *members]))])
    assert (weights >= 0).all()
    assert weights.sum() == pytest.approx(1)
    together = _correlation(recorded, np.einsum("m,mnt->nt", weights, members))
    assert together >= max(_correlation(recorded, member) for member in members) - 1e-6
    assert together >= _correlation(recorded, members.mean(axis=0)) - 1e-6


def test_a_member_that_knows_nothing_gets_nothing() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(20, 2000))
    useless = rng.normal(size=truth.shape)
    weights = fit_weights([CoMoments.of(np.stack([truth + rng.normal(size=truth.shape), truth, useless]))])
    assert weights[1] < 0.05


def test_silent_neurons_do_not_matter() -> None:
    rng = np.random.default_rng(0)
    signals = rng.normal(size=(3, 5, 100))
    with_silent = np.concatenate([signals, np.zeros((3, 2, 100))], axis=1)
    np.testing.assert_allclose(
        fit_weights([CoMoments.of(signals)]), fit_weights([CoMoments.of(with_silent)]), atol=1e-6
    )


def test_an_ensemble_answers_with_the_weighted_mean_and_can_be_moved(
    bundles: dict[str, Path], world: World, tmp_path: Path
) -> None:
    members = {name: bundles[name] for name in ("factorised3d", "dwiseneuro")}
    write_ensemble(members, [0.25, 0.75], tmp_path / "made", {})
    moved = shutil.move(tmp_path / "made", tmp_path / "moved")
    ensemble = load_predictor(moved)
    store = FrameStore.open(world.store)
    mouse = store.mice[0]
    clip = store[mouse].clip(store[mouse].select("oracle")[0].trial)
    first, second = (load_predictor(path).predict(clip, mouse) for path in members.values())
    np.testing.assert_allclose(ensemble.predict(clip, mouse), 0.25 * first + 0.75 * second, rtol=1e-5)
    nested = {"pair": Path(moved), "linear_nonlinear": bundles["linear_nonlinear"]}
    write_ensemble(nested, [0.5, 0.5], tmp_path / "nested", {})
    third = load_predictor(bundles["linear_nonlinear"]).predict(clip, mouse)
    expected = 0.5 * (0.25 * first + 0.75 * second) + 0.5 * third
    np.testing.assert_allclose(load_predictor(tmp_path / "nested").predict(clip, mouse), expected, rtol=1e-5)


def test_a_damaged_member_is_refused(bundles: dict[str, Path], tmp_path: Path) -> None:
    write_ensemble({name: bundles[name] for name in ("factorised3d", "dwiseneuro")}, [0.5, 0.5], tmp_path / "e", {})
    (tmp_path / "e" / "members" / "dwiseneuro" / "model.onnx").unlink()
    with pytest.raises(BundleError, match=r"members/dwiseneuro/model\.onnx: file is missing"):
        load_predictor(tmp_path / "e")


def test_members_of_other_mice_are_refused(bundles: dict[str, Path], tmp_path: Path) -> None:
    other = shutil.copytree(bundles["factorised3d"], tmp_path / "other")
    manifest = other / "manifest.json"
    manifest.write_text(manifest.read_text().replace("dynamic00001", "dynamic99999"))
    with pytest.raises(BundleError, match="has other mice than dwiseneuro"):
        write_ensemble({"dwiseneuro": bundles["dwiseneuro"], "other": other}, [0.5, 0.5], tmp_path / "e", {})
    assert not (tmp_path / "e").exists()
