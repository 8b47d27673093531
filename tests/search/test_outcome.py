"""What is said of a tune trial whose processes died, from what Ray Tune has kept of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from ray.exceptions import ActorDiedError
from ray.tune import TuneError
from ray.tune.experiment import Trial

from sensorium_ray.errors import ConfigError
from sensorium_ray.search.outcome import failure


def _dead(pickled: Exception | None, text: str) -> Any:
    return SimpleNamespace(
        status=Trial.ERROR,
        last_result={},
        config={"name": "gru-001"},
        get_pickled_error=lambda: pickled,
        get_error=lambda: TuneError(text) if text else None,
    )


def test_one_that_memory_ran_out_for_is_told_what_helps() -> None:
    last = "1 worker(s) were killed due to the node running low on memory. Memory"
    text = f"Failure # 1 (occurred at noon)\nsomething\nFailure # 2 (occurred at one)\n{last}\n"
    error = failure(_dead(None, text))
    assert isinstance(error, ConfigError)
    assert str(error).startswith(
        "gru-001: was killed again and again, since its machine was running out of memory; let"
    )


def test_one_whose_processes_died_says_the_last_words() -> None:
    assert "died again and again (The actor died" in str(failure(_dead(ActorDiedError(), "")))
    assert "died again and again (gone)" in str(failure(_dead(None, "Failure # 1 (occurred at noon)\ngone\nmore\n")))
