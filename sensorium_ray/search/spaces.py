"""Search spaces: files named like the architecture that they are for, those of `tune_spaces` or a user's own."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import numpy as np
from ray.tune.search.sample import Categorical, Domain, Float, Integer

from ..errors import ConfigError, SensoriumError
from ..models import find
from ..settings import suggestion
from ..storage import sha256_of
from ..training.settings import TrainSettings

Size = Literal["full", "demo", "published", "small"]
Point = dict[str, dict[str, Any]]
"""Settings by part, 'model' and 'training'; the values of a space may be distributions."""

_PARTS = ("model", "training")
_VARIABLES: dict[Size, str] = {"full": "SPACE", "demo": "DEMO", "published": "PUBLISHED", "small": "SMALL"}
_OURS = ("epochs", "seed")
"""Training settings that belong to the sweep, not to a point."""
_CHECKED_DRAWS = 64


@dataclass(frozen=True, slots=True)
class Space:
    """What is searched for one architecture.

    Parameters
    ----------
    architecture : its name.
    settings : distributions and plain values.
    published : the point that is tried first; None: there is none.
    """

    architecture: str
    settings: Point
    published: Point | None = None

    def domains(self) -> dict[tuple[str, str], Domain]:
        """What is searched, by part and setting."""
        return {
            (part, name): value
            for part, settings in self.settings.items()
            for name, value in settings.items()
            if isinstance(value, Domain)
        }

    def with_values(self, values: Mapping[tuple[str, str], Any]) -> Point:
        """The point where what is searched has these values."""
        return {
            part: {name: values.get((part, name), value) for name, value in settings.items()}
            for part, settings in self.settings.items()
        }

    def draw(self, seed: int, number: int) -> Point:
        """A point at random, the same for the same seed and number."""
        rng = np.random.default_rng(seed_of(seed, self.architecture, number))
        return self.with_values({key: domain.sample(random_state=rng) for key, domain in self.domains().items()})

    def describe(self) -> dict[str, dict[str, str]]:
        """Plain values, which say whether two spaces are the same."""
        return {
            part: {name: _words(value) for name, value in settings.items()} for part, settings in self.settings.items()
        }


def seed_of(seed: int, architecture: str, number: int) -> int:
    """Seed of the draw of one tune trial of an architecture."""
    return int(sha256_of(str(seed), architecture, str(number))[:8], 16)


def load(names: Sequence[str], size: Size = "full") -> list[Space]:
    """Spaces of several architectures.

    Raises
    ------
    ConfigError : as `space`; two are of the same architecture.
    """
    spaces = [space(name, size) for name in dict.fromkeys(names)]
    seen: set[str] = set()
    for found in spaces:
        if found.architecture in seen:
            raise ConfigError(
                "has two spaces", found.architecture, "name one; sweep the other into a folder of its own"
            )
        seen.add(found.architecture)
    return spaces


def space(name: str, size: Size = "full") -> Space:
    """A space by the name of its architecture, or by the path of a file that is named like it.

    Of the size 'full', settings that are not searched are as published, and the published point is tried first.

    Parameters
    ----------
    name : such as 'dwiseneuro', 'tune_spaces/dwiseneuro.py' or 'mine/dwiseneuro.py'.
    size : 'full', 'demo' (small enough for two cores), 'published' (the paper's point alone) or 'small' (a network that
        trains in a second).

    Raises
    ------
    ConfigError : the architecture, its file or that size of it does not exist; a setting is unknown or out of range.
    """
    if name.endswith(".py") or "/" in name:
        path = Path(name)
        architecture, where = path.stem, str(path)
        if not path.is_file():
            raise ConfigError("file is missing", where, f"name a file, or one of {', '.join(find.names())}")
        find.architecture(architecture)
        module = _of_file(path)
    else:
        architecture, where = name, f"tune_spaces/{name}.py"
        find.architecture(architecture)
        if importlib.util.find_spec(f"tune_spaces.{name}") is None:
            raise ConfigError(f"there is no {where}", name, "write one beside the others, or name a file of your own")
        module = importlib.import_module(f"tune_spaces.{name}")
    settings = _variable(module, _VARIABLES[size], where)
    published = None
    if size == "full" and hasattr(module, "PUBLISHED"):
        published = _variable(module, "PUBLISHED", where)
        settings = {part: {**published[part], **settings[part]} for part in _PARTS}
    found = Space(architecture, settings, published)
    _check(found, where)
    return found


def _of_file(path: Path) -> ModuleType:
    """Run a space's file, under a name that no other module has."""
    spec = importlib.util.spec_from_file_location(f"tune_space_{sha256_of(str(path.absolute()))[:16]}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        what = f"cannot be read as Python ({type(error).__name__}: {error})"
        raise ConfigError(what, str(path), "compare it with those in tune_spaces/") from error
    return module


def _variable(module: ModuleType, name: str, where: str) -> Point:
    found = getattr(module, name, None)
    if not (
        isinstance(found, Mapping) and set(found) == set(_PARTS) and all(isinstance(v, Mapping) for v in found.values())
    ):
        raise ConfigError(f"has no {name} with the parts 'model' and 'training'", where)
    return {part: dict(found[part]) for part in _PARTS}


def _check(space: Space, where: str) -> None:
    """Refuse what no tune trial could be made from, before any is started.

    Tried are the published point, every end and every choice of what is searched, and some draws.
    """
    known = [field.name for field in fields(TrainSettings) if field.name not in _OURS]
    for name in space.settings["training"]:
        if name not in known:
            raise ConfigError(f"has no training setting '{name}'", where, suggestion(name, known))
    for point in _samples(space):
        try:
            find.make_config(space.architecture, point["model"])
            TrainSettings.of(point["training"])
        except SensoriumError as error:
            raise ConfigError(error.what, f"{where}: {error.where}" if error.where else where, error.mend) from error
        except (TypeError, ValueError) as error:
            raise ConfigError(f"has a setting that is refused ({error})", where) from error


def _samples(space: Space) -> Iterator[Point]:
    if space.published is not None:
        yield space.published
    yield from (space.draw(0, number) for number in range(_CHECKED_DRAWS))
    first = space.draw(0, 0)
    values = {(part, name): value for part, settings in first.items() for name, value in settings.items()}
    for key, domain in space.domains().items():
        yield from (space.with_values({**values, key: value}) for value in _ends(domain))


def _ends(domain: Domain) -> Sequence[Any]:
    """The ends of a range, or all choices."""
    if isinstance(domain, Categorical):
        return list(domain.categories)
    if isinstance(domain, Float):
        return [domain.lower, domain.upper]
    if isinstance(domain, Integer):
        return [domain.lower, domain.upper - 1]
    return []


def _words(value: Any) -> str:
    if not isinstance(value, Domain):
        return repr(value)
    return f"{type(value).__name__.lower()} {value.domain_str} {value.get_sampler()}"
