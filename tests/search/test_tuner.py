"""How tune trials are stopped and budgeted, on tune trials that do not train."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from stub import space, sweep, sweep_with

from sensorium_ray.search.budget import Budget
from sensorium_ray.search.settings import METRIC, SweepSettings

pytestmark = pytest.mark.usefixtures("ray_session")


def test_each_tune_trial_ends_as_it_should(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    settings = SweepSettings(samples=8, epochs=8)
    spaces = [space(published=0.0), space("factorised3d")]
    found = sweep(tmp_path / "out", spaces, settings, fail="factorised3d-002", log=str(tmp_path))
    rows = {row["trial"]: row for row in found}
    assert len(rows) == 16
    assert capfd.readouterr().out == ""
    # ASHA stops what falls behind, but never the published point.
    published = rows["linear_nonlinear-published"]
    assert (published["outcome"], published["epochs"], published[METRIC]) == ("finished", 8, 0.0)
    assert any(row["outcome"] == "stopped early" for row in rows.values())
    # A failure ends its tune trial alone, at once, with its last good checkpoint.
    failed = rows["factorised3d-002"]
    assert (failed["outcome"], failed["epochs"]) == ("failed", 1)
    assert failed["error"] == "stub: training diverged; lower it"
    assert METRIC in failed
    assert (tmp_path / "factorised3d-002.log").read_text() == "1\n2\n"
    assert [row["trial"] for row in rows.values() if row["outcome"] == "failed"] == ["factorised3d-002"]


def test_a_laggard_takes_over_what_is_ahead(tmp_path: Path) -> None:
    settings = SweepSettings(samples=4, epochs=8, scheduler="pbt")
    rows = sweep(tmp_path, [space()], settings)
    assert all((row["outcome"], row["epochs"]) == ("finished", 8) for row in rows)
    drawn = {space().draw(0, number)["training"]["learning_rate"] for number in range(4)}
    assert {row["config"]["training"]["learning_rate"] for row in rows} != drawn
    alone = 8 * min(drawn)
    assert min(row[METRIC] for row in rows) > alone


def test_a_budget_ends_what_runs_and_starts_nothing_new(tmp_path: Path) -> None:
    settings = SweepSettings(samples=300, epochs=100_000, scheduler="none", cost=3 / 3600, price=1.0)
    rows = sweep(tmp_path, [space()], settings, pause=0.1)
    ran = [row for row in rows if row["epochs"]]
    assert 0 < len(ran) < 20
    assert {row["outcome"] for row in rows} == {"cut off"}
    assert all(METRIC in row for row in ran)


class _Dying(Budget):
    """Takes the driver with it when three tune trials have ended."""

    def on_step_begin(self, iteration: int, trials: Any, **info: Any) -> None:
        super().on_step_begin(iteration, trials, **info)
        if sum(trial.is_finished() for trial in trials) >= 3:
            raise MemoryError


def test_what_ended_is_not_run_again_and_the_rest_goes_on(tmp_path: Path) -> None:
    settings = SweepSettings(samples=8, epochs=4)
    arguments = {"log": str(tmp_path), "pause": 0.05}
    with pytest.raises(MemoryError):
        sweep_with(_Dying(settings), tmp_path / "out", [space(published=0.5)], settings, **arguments)
    before = {path.name: path.read_text() for path in tmp_path.glob("*.log")}
    rows = sweep(tmp_path / "out", [space(published=0.5)], settings, **arguments)
    after = {path.name: path.read_text() for path in tmp_path.glob("*.log")}
    assert len(rows) == 8
    assert sum(before[name] == after[name] for name in before) >= 3
    for row in rows:
        epochs = [int(line) for line in after[f"{row['trial']}.log"].split()]
        assert sorted(set(epochs)) == list(range(1, row["epochs"] + 1))
        assert len(epochs) - row["epochs"] <= 1, "more than the epoch that was cut off was done again"
        assert row[METRIC] == pytest.approx(row["epochs"] * row["config"]["training"]["learning_rate"])
