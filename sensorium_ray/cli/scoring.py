"""Scores and submission files."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from ..scoring.table import Ranked, ScoreTable

_FRAMES = "Frames of a trial that count, both ends included: 50..299, the winner's 50..298, or 50..end."
_ADDRESS = "Ray cluster to run on; this machine unless given."
_RANKED = (("main", "live"), ("main", "final"), ("ood", "live"), ("ood", "final"))


def score(
    store: Annotated[Path, typer.Argument(help="Frame store.")],
    bundles: Annotated[list[Path], typer.Argument(help="Models and ensembles.")],
    out: Annotated[Path, typer.Option(help="Folder for scores.parquet, summary.json and traces.npz.")],
    truth: Annotated[
        Path | None, typer.Option(help="Simulated mice (or their truth folder): withheld responses, ceiling.")
    ] = None,
    track: Annotated[Literal["both", "main", "ood"], typer.Option(help="Benchmark track.")] = "both",
    stage: Annotated[Literal["both", "live", "final"], typer.Option(help="Stage of the tracks.")] = "both",
    frames: Annotated[str, typer.Option(help=_FRAMES)] = "50..299",
    address: Annotated[str | None, typer.Option(help=_ADDRESS)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the rankings as JSON.")] = False,
) -> None:
    """Score bundles on both tracks, as the competition does.

    Example: sensorium score store bundles/* --truth mice --out scores
    """
    from ..benchmark import STAGES, TRACKS, EvalWindow
    from ..scoring.job import score as run

    table = run(
        store,
        bundles,
        out,
        tracks=TRACKS if track == "both" else (track,),
        stages=STAGES if stage == "both" else (stage,),
        truth=truth,
        window=EvalWindow.parse(frames),
        address=address,
    )
    if as_json:
        lines = {name: [asdict(row) for row in ranking] for name, ranking in _rankings(table).items()}
        typer.echo(json.dumps({**asdict(table.provenance), "rankings": lines}, indent=1))
    else:
        print_ranking(table)


def ensemble(
    store: Annotated[Path, typer.Argument(help="Frame store; the weights are learned on its oracle tier alone.")],
    bundles: Annotated[list[Path], typer.Argument(help="Members: models or ensembles.")],
    out: Annotated[Path, typer.Option(help="Bundle to write.")],
    frames: Annotated[str, typer.Option(help=_FRAMES)] = "50..299",
    address: Annotated[str | None, typer.Option(help=_ADDRESS)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the manifest.")] = False,
) -> None:
    """Learn an ensemble's weights and write it as a bundle.

    Example: sensorium ensemble store bundles/factorised3d bundles/dwiseneuro --out bundles/ensemble
    """
    from ..benchmark import EvalWindow
    from ..scoring.ensembling import learn_ensemble

    manifest = learn_ensemble(store, bundles, out, window=EvalWindow.parse(frames), address=address)
    if as_json:
        typer.echo(manifest.model_dump_json())
        return
    for member in manifest.members:
        typer.echo(f"{member.weight:.3f}  {member.name}")


def submit(
    store: Annotated[Path, typer.Argument(help="Frame store.")],
    bundle: Annotated[Path, typer.Argument(help="Model or ensemble.")],
    out: Annotated[Path, typer.Option(help="Folder for the zips.")],
    track: Annotated[Literal["both", "main", "ood"], typer.Option(help="Benchmark track.")] = "both",
    frames: Annotated[str, typer.Option(help=_FRAMES)] = "50..299",
    address: Annotated[str | None, typer.Option(help=_ADDRESS)] = None,
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
    frames: Annotated[str, typer.Option(help=_FRAMES)] = "50..299",
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


def print_ranking(table: ScoreTable) -> None:
    """Print one line a bundle; order and last two columns are the final stage's, where it was scored."""
    from rich.console import Console
    from rich.table import Table

    rankings = _rankings(table)
    ranking = next((name for name in ("main final", "ood final", *rankings) if name in rankings), None)
    if ranking is None:
        typer.echo("nothing but the oracle tier was scored; see summary.json")
        return
    shown = Table(title=f"single-trial correlation, frames {table.provenance.window}")
    for column in ("bundle", *rankings, "to average", "of ceiling"):
        first = column == "bundle"
        shown.add_column(column, justify="left" if first else "right", no_wrap=first, min_width=16 if first else 7)
    values = {name: {row.bundle: row for row in rows} for name, rows in rankings.items()}
    for row in rankings[ranking]:
        singles = [_number(values[name][row.bundle].single_trial_correlation) for name in rankings]
        fraction = "-" if row.fraction_of_ceiling is None else f"{row.fraction_of_ceiling:.1%}"
        shown.add_row(row.bundle, *singles, _number(row.correlation_to_average), fraction)
    shown.caption = f"order, correlation to average and fraction of the ceiling: {ranking}"
    Console().print(shown)


def _rankings(table: ScoreTable) -> dict[str, list[Ranked]]:
    """Rankings of the tracks and stages that were scored, by names such as 'main live'."""
    rankings = {f"{track} {stage}": table.ranking(track, stage) for track, stage in _RANKED}
    return {name: ranking for name, ranking in rankings.items() if ranking}


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
