"""What the commands print, and how they end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from sent import WINDOW, send
from tiny_store import Tiny
from typer.testing import CliRunner, Result

from sensorium_ray.cli import leaderboard, submission

FRAMES = ["--frames", WINDOW.name]

app = typer.Typer()
app.command("check-submission")(submission.check_submission)
app.command("evaluate")(submission.evaluate)
app.add_typer(leaderboard.app, name="leaderboard")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "200"})


@pytest.mark.parametrize("command", ["init", "submit", "show", "open", "publish"])
def test_every_command_of_the_leaderboard_has_an_example(command: str) -> None:
    assert f"Example: sensorium leaderboard {command}" in run("leaderboard", command, "--help").output


def test_check_submission_prints_each_finding_on_a_line_and_ends_with_1(tiny: Tiny, tmp_path: Path) -> None:
    path = send(tiny, tmp_path, 0.5, leave_out=2)
    done = run("check-submission", path, "--store", tiny.store, *FRAMES)
    assert done.exit_code == 1
    lines = done.output.splitlines()
    assert len(lines) == 4
    assert lines[0].startswith("fault: predictions_live_main.parquet.brotli, mouse 'mouse-b', trials 5, 6: missing")
    assert lines[2] == "predictions_live_main.parquet.brotli: live_test_main, 6 trials of 2 mice, 40 frames"
    found = json.loads(run("check-submission", path, "--store", tiny.store, *FRAMES, "--json").output)
    assert [fault["kind"] for fault in found["faults"]] == ["missing-trial", "missing-mouse"]
    assert run("check-submission", send(tiny, tmp_path, 0.5), "--store", tiny.store, *FRAMES).exit_code == 0


def test_evaluate_prints_every_track_and_stage_with_the_frame_rule(tiny: Tiny, tmp_path: Path) -> None:
    given = ["evaluate", send(tiny, tmp_path, 0.5), "--store", tiny.store, "--truth", tiny.truth, *FRAMES]
    done = run(*given)
    assert done.exit_code == 0
    lines = done.output.splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        "main live, frames 10..49",
        "main final, frames 10..49",
    ]
    assert "single_trial_correlation 0." in lines[0]
    found = json.loads(run(*given, "--json").output)
    assert f"{found['scores']['main']['live']['single_trial_correlation']['value']:.4f}" in lines[0]
    assert found["window"] == "10..49"


def test_a_leaderboard_from_founding_to_publishing(tiny: Tiny, tmp_path: Path) -> None:
    board, page = tmp_path / "board", tmp_path / "index.html"
    founded = run("leaderboard", "init", board, "--store", tiny.store, "--truth", tiny.truth, *FRAMES, "--per-day", 1)
    assert founded.exit_code == 0
    refused = run("leaderboard", "submit", board, send(tiny, tmp_path, 0.5, leave_out=1), "--team", "a")
    assert refused.exit_code == 1
    assert refused.output.splitlines()[-1] == "refused, which does not count; 1 left today, 100 in all"
    taken = run("leaderboard", "submit", board, send(tiny, tmp_path, 0.5), "--team", "a")
    assert taken.exit_code == 0
    assert "main live: single_trial_correlation 0." in taken.output
    assert taken.output.splitlines()[-2:] == ["main final: withheld", "submission 1 of a; 0 left today, 99 in all"]
    shown = run("leaderboard", "show", board).output
    assert "  1  a: single_trial_correlation 0." in shown
    assert "ood, live: no submission yet" in shown
    assert run("leaderboard", "show", board, "--stage", "final").exception is not None
    assert run("leaderboard", "open", board).exit_code == 0
    opened = json.loads(run("leaderboard", "show", board, "--stage", "final", "--json").output)
    assert [row["team"] for row in opened["main"]] == ["a"]
    assert run("leaderboard", "publish", board, "--out", page).exit_code == 0
    assert "<bdi>a</bdi>" in page.read_text()
