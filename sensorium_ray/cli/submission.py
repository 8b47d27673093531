"""`submit` and `check-submission`: the competition's files."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from .options import ADDRESS, FRAMES


def submit(
    store: Annotated[Path, typer.Argument(help="Frame store.")],
    bundle: Annotated[Path, typer.Argument(help="Model or ensemble.")],
    out: Annotated[Path, typer.Option(help="Folder for the zips.")],
    track: Annotated[Literal["both", "main", "ood"], typer.Option(help="Benchmark track.")] = "both",
    frames: Annotated[str, typer.Option(help=FRAMES)] = "50..299",
    address: Annotated[str | None, typer.Option(help=ADDRESS)] = None,
) -> None:
    """Predict the test tiers and write the competition's submission files.

    Example: sensorium submit store bundles/ensemble --out submission
    """
    from ..benchmark import TRACKS, EvalWindow
    from ..scoring.submission import write_submission

    tracks = TRACKS if track == "both" else (track,)
    for path in write_submission(store, bundle, out, tracks=tracks, window=EvalWindow.parse(frames), address=address):
        typer.echo(path)


def check_submission(
    file: Annotated[Path, typer.Argument(help="Zip or Parquet file.")],
    store: Annotated[Path | None, typer.Option(help="Frame store whose trials are predicted.")] = None,
    frames: Annotated[str, typer.Option(help=FRAMES)] = "50..299",
    as_json: Annotated[bool, typer.Option("--json", help="Print what the files hold as JSON.")] = False,
) -> None:
    """Check a submission before it is sent; without a store, only against itself.

    Example: sensorium check-submission submission/submission_main.zip --store store
    """
    from ..benchmark import EvalWindow
    from ..scoring.submission import check_submission as run

    files = run(file, store, EvalWindow.parse(frames))
    if as_json:
        typer.echo(json.dumps([asdict(summary) for summary in files], indent=1))
        return
    for summary in files:
        least, most = summary.frames
        length = f"{least}" if least == most else f"{least} to {most}"
        counts = f"{sum(summary.trials.values())} trials of {len(summary.trials)} mice, {length} frames"
        typer.echo(f"{summary.name}: fine, {counts}")
