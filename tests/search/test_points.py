"""Which points are tried: the published one first, the same after a restart, better ones where something is learned."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from ray import tune
from ray.tune.search import Searcher
from stub import rate, space

from sensorium_ray.search.points import Points
from sensorium_ray.search.settings import METRIC, SweepSettings
from sensorium_ray.search.spaces import Space


def _took(points: Points, config: dict[str, Any], score: float | None) -> None:
    """Tell of a tune trial as Ray Tune does: when it is made, and when it has ended."""
    trial = _trial(config, None)
    points.took(trial)
    trial.run_metadata.checkpoint_manager.best_checkpoint_result = _best(score)
    points.on_trial_complete(config["name"])


def _trial(config: dict[str, Any], score: float | None, ended: bool = False) -> Any:
    manager = SimpleNamespace(best_checkpoint_result=_best(score))
    metadata = SimpleNamespace(checkpoint_manager=manager)
    return SimpleNamespace(trial_id=config["name"], config=config, run_metadata=metadata, is_finished=lambda: ended)


def _best(score: float | None) -> Any:
    return None if score is None else SimpleNamespace(metrics={METRIC: score})


def _ask_all(points: Points) -> list[dict[str, Any]]:
    configs = []
    while (config := points.suggest("")) != Searcher.FINISHED:
        _took(points, config, rate(config))
        configs.append(config)
    return configs


def test_the_published_point_comes_first_and_the_architectures_take_turns() -> None:
    spaces = [space("dwiseneuro", published=0.5), space("factorised3d")]
    configs = _ask_all(Points(spaces, SweepSettings(samples=2), lambda: False))
    names = [config["name"] for config in configs]
    assert names == ["dwiseneuro-published", "factorised3d-000", "dwiseneuro-001", "factorised3d-001"]
    assert rate(configs[0]) == 0.5


def test_after_a_restart_the_rest_is_the_same() -> None:
    settings = SweepSettings(samples=6, search="optuna")
    whole = _ask_all(Points([space(published=0.5)], settings, lambda: False))
    again = Points([space(published=0.5)], settings, lambda: False)
    for config in whole[:3]:
        again.took(_trial(config, rate(config), ended=True))
    assert _ask_all(again) == whole[3:]


def test_optuna_finds_what_is_good_among_choices_of_tuples_too() -> None:
    widths = tune.choice([(8, 16), (16, 32), (32, 64), (64, 128)])
    searched = Space("factorised3d", {"model": {"channels": widths}, "training": dict(space().settings["training"])})
    points = Points([searched], SweepSettings(samples=40, search="optuna"), lambda: False)
    chosen = []
    while (config := points.suggest("")) != Searcher.FINISHED:
        width = config["point"]["model"]["channels"]
        _took(points, config, rate(config) + width[0] / 64)
        chosen.append((rate(config), width))
    assert all(isinstance(width, tuple) for _, width in chosen)
    first, last = chosen[:10], chosen[-10:]
    assert sum(value for value, _ in last) > sum(value for value, _ in first)
    assert sum(width == (64, 128) for _, width in last) > sum(width == (64, 128) for _, width in first)


def test_a_failed_point_and_one_outside_of_the_space_do_no_harm() -> None:
    points = Points([space(published=7.0)], SweepSettings(samples=3, search="optuna"), lambda: False)
    for score in (1.0, None, 2.0):
        _took(points, points.suggest(""), score)
    assert points.suggest("") == Searcher.FINISHED


def test_no_point_is_given_out_when_the_budget_is_spent() -> None:
    assert Points([space()], SweepSettings(), lambda: True).suggest("") == Searcher.FINISHED
