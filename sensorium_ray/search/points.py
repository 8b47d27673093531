"""Which point is tried next: the architectures in turn, each with its published point first.

All that is known of a sweep comes from its tune trials, which Ray Tune keeps: after a restart they are told again
(`took`), so nothing here is saved, and nothing can be older than they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import optuna
from ray import tune
from ray.tune.experiment import Trial
from ray.tune.search import Searcher
from ray.tune.search.optuna import OptunaSearch
from ray.tune.search.sample import Categorical, Domain

from .outcome import best_score
from .settings import SweepSettings
from .spaces import Point, Space, seed_of


class Points(Searcher):
    """Gives out every point once, by its name.

    Parameters
    ----------
    spaces : what is searched.
    settings : of the sweep.
    exhausted : whether no more points shall be given out.
    """

    def __init__(self, spaces: list[Space], settings: SweepSettings, exhausted: Callable[[], bool]) -> None:
        super().__init__()
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        kind: type[_Proposer] = _Optuna if settings.search == "optuna" else _Random
        self._proposers = {space.architecture: kind(space, settings.seed) for space in spaces}
        self._published = {space.architecture: space.published for space in spaces}
        self._exhausted = exhausted
        self._left = {
            f"{architecture}-{'published' if published and number == 0 else f'{number:03d}'}": (architecture, number)
            for number in range(settings.tune_trials)
            for architecture, published in self._published.items()
        }
        self.total = len(self._left)
        self._running: dict[str, Trial] = {}

    def suggest(self, trial_id: str) -> Any:
        """Configuration of the next tune trial: its 'name', 'architecture' and 'point'."""
        if self._exhausted() or not self._left:
            return Searcher.FINISHED
        name, (architecture, number) = next(iter(self._left.items()))
        point = self._published[architecture] if name.endswith("-published") else None
        if point is None:
            point = self._proposers[architecture].propose(number)
        return {"name": name, "architecture": architecture, "number": number, "point": point}

    def took(self, trial: Trial) -> None:
        """Note that there is a tune trial, new or of an earlier run."""
        if self._left.pop(trial.config["name"], None) is None:
            return
        if trial.is_finished():
            self._learn(trial)
        else:
            self._running[trial.trial_id] = trial

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Learn from a tune trial that ended, well or not."""
        trial = self._running.pop(trial_id, None)
        if trial is not None:
            self._learn(trial)

    def _learn(self, trial: Trial) -> None:
        config = trial.config
        self._proposers[config["architecture"]].learn(config["number"], config["point"], best_score(trial))

    def save(self, checkpoint_path: str) -> None:
        """Leave the file that Ray Tune looks for; see the module's description."""
        Path(checkpoint_path).touch()

    def restore(self, checkpoint_path: str) -> None:
        """Take nothing from it."""


class _Proposer(Protocol):
    def __init__(self, space: Space, seed: int) -> None: ...

    def propose(self, number: int) -> Point: ...

    def learn(self, number: int, point: Point, score: float | None) -> None: ...


class _Random:
    """Independent draws."""

    def __init__(self, space: Space, seed: int) -> None:
        self._space, self._seed = space, seed

    def propose(self, number: int) -> Point:
        return self._space.draw(self._seed, number)

    def learn(self, number: int, point: Point, score: float | None) -> None:
        """Nothing to learn."""


class _Optuna:
    """Optuna's tree-structured Parzen estimator; each draw has a seed of its own.

    Choices are given to Optuna by their places, since it takes no tuples.
    """

    def __init__(self, space: Space, seed: int) -> None:
        self._space, self._seed = space, seed
        self._domains = space.domains()
        self._distributions = _distributions(self._domains)
        self._study = optuna.create_study(direction="maximize")
        self._asked: dict[int, optuna.Trial] = {}

    def propose(self, number: int) -> Point:
        seed = seed_of(self._seed, self._space.architecture, number)
        # Tune trials that still run count as bad, so that no two are sent to the same place.
        self._study.sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)
        self._asked[number] = asked = self._study.ask(self._distributions)
        values = {key: _decoded(domain, asked.params["/".join(key)]) for key, domain in self._domains.items()}
        return self._space.with_values(values)

    def learn(self, number: int, point: Point, score: float | None) -> None:
        asked = self._asked.pop(number, None)
        state = optuna.trial.TrialState.FAIL if score is None else optuna.trial.TrialState.COMPLETE
        if asked is not None:
            self._study.tell(asked, score, state=state)
            return
        # The published point, or a point of an earlier run; one outside of the space is nothing to learn from.
        try:
            params = {"/".join(key): _encoded(domain, point[key[0]][key[1]]) for key, domain in self._domains.items()}
            found = optuna.create_trial(state=state, value=score, params=params, distributions=self._distributions)
        except (KeyError, ValueError):
            return
        self._study.add_trial(found)


def _distributions(domains: Mapping[tuple[str, str], Domain]) -> dict[str, optuna.distributions.BaseDistribution]:
    """In Optuna's terms, by 'part/setting'."""
    spec: dict[str, dict[str, Domain]] = {}
    for (part, name), domain in domains.items():
        choices = isinstance(domain, Categorical)
        spec.setdefault(part, {})[name] = tune.choice(range(len(domain.categories))) if choices else domain
    return OptunaSearch.convert_search_space(spec)


def _encoded(domain: Domain, value: Any) -> Any:
    if not isinstance(domain, Categorical):
        return value
    # A tuple is a list where a tune trial comes back from its file.
    return [list(choice) if isinstance(choice, tuple) else choice for choice in domain.categories].index(
        list(value) if isinstance(value, tuple) else value
    )


def _decoded(domain: Domain, value: Any) -> Any:
    return domain.categories[value] if isinstance(domain, Categorical) else value
