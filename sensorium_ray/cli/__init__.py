"""The command line: parse, call, print. One file a command group."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import typer

from ..errors import InputError, SensoriumError
from . import (
    cluster,
    data,
    download,
    ensemble,
    experiment,
    importing,
    keys,
    leaderboard,
    report,
    scoring,
    search,
    serving,
    simulate,
    submission,
    training,
)

app = typer.Typer(
    name="sensorium",
    help="The Sensorium benchmarks as a service: ingest, train, sweep, export, ensemble, score, submit, serve.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

_COMMANDS: dict[str, Callable[..., None]] = {
    "simulate": simulate.simulate,
    "download": download.download,
    "ingest": data.ingest,
    "verify": data.verify,
    "describe": data.describe,
    "train": training.train,
    "sweep": search.sweep,
    "export": search.export,
    "import": importing.import_,
    "ensemble": ensemble.ensemble,
    "score": scoring.score,
    "report": report.report,
    "submit": submission.submit,
    "check-submission": submission.check_submission,
    "evaluate": submission.evaluate,
    "serve": serving.serve,
    "predict": serving.predict,
    "experiment": experiment.experiment,
}
for _name, _command in _COMMANDS.items():
    app.command(_name)(_command)
app.add_typer(cluster.app, name="cluster")
app.add_typer(keys.app, name="keys")
app.add_typer(leaderboard.app, name="leaderboard")


def main() -> None:
    """Run a command; exit with 0, 1 (your input), 2 (usage), 3 (ours) or 130 (interrupted)."""
    try:
        app(standalone_mode=True)
    except KeyboardInterrupt:
        sys.exit(130)
    except InputError as error:
        _end(str(error), 1)
    except Exception as error:
        if "SENSORIUM_TRACEBACK" in os.environ:
            raise
        what = str(error) if isinstance(error, SensoriumError) else f"{type(error).__name__}: {error}"
        _end(f"{what} (a fault of ours: run it again with SENSORIUM_TRACEBACK=1 and send us what it prints)", 3)


def _end(sentence: str, status: int) -> None:
    print(f"error: {sentence}", file=sys.stderr)
    sys.exit(status)
