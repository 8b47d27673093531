"""The command line's manners: exit statuses, one sentence, an example in every help."""

import sys

import pytest
from typer.testing import CliRunner

from sensorium_ray import cli
from sensorium_ray.errors import DataError, SensoriumError


@pytest.mark.parametrize(
    ("error", "status", "sentence"),
    [
        (DataError("is cut off", "a.npy", "copy it again"), 1, "error: a.npy: is cut off; copy it again\n"),
        (SensoriumError("every tune trial failed"), 3, "error: every tune trial failed (a fault of ours"),
        (ZeroDivisionError("division by zero"), 3, "error: ZeroDivisionError: division by zero (a fault of ours"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_an_error_is_one_sentence_and_a_status(
    error: BaseException,
    status: int,
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == status
    printed = capsys.readouterr().err
    assert printed.startswith(sentence)
    assert "Traceback" not in printed


@pytest.mark.parametrize("command", sorted(cli._COMMANDS))
def test_every_command_has_an_example_in_its_help(command: str) -> None:
    help_text = CliRunner().invoke(cli.app, [command, "--help"], env={"COLUMNS": "200"})
    assert help_text.exit_code == 0
    assert f"Example: sensorium {command}" in help_text.output


def test_the_usage_is_refused_with_2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["sensorium", "sweep"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
