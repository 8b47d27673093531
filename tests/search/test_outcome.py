"""What is said of a tune trial whose processes died, from what Ray Tune has kept of it."""

from __future__ import annotations

import errno
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest
from ray.exceptions import ActorDiedError, RayTaskError
from ray.tune import TuneError
from ray.tune.experiment import Trial

from sensorium_ray.errors import ConfigError, DataError
from sensorium_ray.search import tune_trial
from sensorium_ray.search.outcome import failure
from sensorium_ray.search.settings import SweepSettings


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


def test_an_error_that_was_raised_arrives_as_itself() -> None:
    raised = DataError("the disk is full", "sweep", "free some space")
    error = failure(_dead(RayTaskError("train", "traceback", raised), ""))
    assert (type(error), str(error)) == (DataError, "sweep: the disk is full; free some space")


@pytest.mark.parametrize("disk", [True, False])
def test_what_a_disk_did_is_tried_again_and_what_a_point_did_is_not(
    disk: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> NoReturn:
        raise DataError("is wrong", "here") from (OSError(errno.ENOSPC, "full") if disk else None)

    told: list[dict[str, Any]] = []
    monkeypatch.setattr(tune_trial, "_trainer", fail)
    monkeypatch.setattr("ray.tune.report", told.append)
    asked = {"architecture": "gru", "point": {}}
    if disk:
        with pytest.raises(DataError):
            tune_trial.train(asked, "store", SweepSettings())
        assert told == []
    else:
        tune_trial.train(asked, "store", SweepSettings())
        assert told[0]["failure"]["what"] == "is wrong"
