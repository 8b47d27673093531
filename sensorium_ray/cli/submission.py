"""`submit`, `check-submission` and `evaluate`: the competition's files."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import ADDRESS, FRAMES, TRACK

if TYPE_CHECKING:
    from ..submissions.evaluation import Scores

SENT = "Zip, Parquet file, or csv (2022)."
NORMALISATION = "raw, normalised, or normalised-targets as on the server of 2023."
TRUTH = "Simulated mice, or their truth folder: the responses that the store withholds."


def submit(
    store: Annotated[str, typer.Argument(help="Frame store.")],
    bundle: Annotated[str, typer.Argument(help="Model or ensemble, on a disk or s3://.")],
    out: Annotated[Path, typer.Option(help="Folder for the files.")],
    track: Annotated[str, typer.Option(help=TRACK)] = "both",
    frames: Annotated[str | None, typer.Option(help=FRAMES)] = None,
    address: Annotated[str | None, typer.Option(help=ADDRESS)] = None,
) -> None:
    """Predict the test tiers and write the competition's submission files.

    Example: sensorium submit store bundles/ensemble --out submission
    """
    from ..benchmark import EvalWindow
    from ..submissions.submitting import write_submission

    tracks = None if track == "both" else [track]
    window = None if frames is None else EvalWindow.parse(frames)
    for path in write_submission(bundle, store, out, tracks=tracks, window=window, address=address):
        typer.echo(path)


def check_submission(
    file: Annotated[Path, typer.Argument(help=SENT)],
    store: Annotated[str | None, typer.Option(help="Frame store whose trials are predicted.")] = None,
    frames: Annotated[str | None, typer.Option(help=FRAMES)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was found as JSON.")] = False,
) -> None:
    """Say everything that is wrong with a submission; without a store, it is only checked against itself.

    Ends with status 1 where there is a fault. A warning may stay.

    Example: sensorium check-submission submission/submission_main.zip --store store
    """
    from ..benchmark import EvalWindow
    from ..submissions.checking import check_submission as run

    found = run(file, store, None if frames is None else EvalWindow.parse(frames))
    if as_json:
        typer.echo(json.dumps(found.as_json(), indent=1))
    else:
        for line in (*found.faults, *found.warnings, *found.files):
            typer.echo(line)
    raise typer.Exit(1 if found.faults else 0)


def evaluate(
    file: Annotated[Path, typer.Argument(help=SENT)],
    store: Annotated[str, typer.Option(help="Frame store whose trials are predicted.")],
    truth: Annotated[Path | None, typer.Option(help=TRUTH)] = None,
    frames: Annotated[str | None, typer.Option(help=FRAMES)] = None,
    normalisation: Annotated[str, typer.Option(help=NORMALISATION)] = "raw",
    out: Annotated[Path | None, typer.Option(help="New folder for scores.parquet and summary.json.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the scores as JSON.")] = False,
) -> None:
    """Score a submission against responses that others do not have.

    Example: sensorium evaluate submission/submission_main.zip --store store --truth mice
    """
    from ..benchmark import EvalWindow
    from ..submissions.evaluation import evaluate as run
    from ..submissions.evaluation import scores_of

    window = None if frames is None else EvalWindow.parse(frames)
    table = run(file, store, truth=truth, window=window, normalisation=normalisation, out=out)
    found = scores_of(table)
    if as_json:
        typer.echo(json.dumps({**asdict(table.provenance), "scores": found}, indent=1))
        return
    for track, stages in found.items():
        for stage, scores in stages.items():
            typer.echo(f"{track} {stage}, frames {table.provenance.window}: {spoken(scores)}")


def spoken(scores: Scores) -> str:
    """Scores in a line, with their intervals."""
    return ", ".join(f"{metric} {_number(score)}" for metric, score in scores.items())


def _number(score: dict[str, float | None]) -> str:
    if score["value"] is None:
        return "unknown"
    interval = "" if score["low"] is None or score["high"] is None else f" ({score['low']:.4f} to {score['high']:.4f})"
    return f"{score['value']:.4f}{interval}"
