"""`score`: bundles on the tiers of a frame store."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from .options import ADDRESS, FRAMES, TRACK

if TYPE_CHECKING:
    from ..scoring.table import Ranked, ScoreTable


_WIDTH = 110
"""Characters that the ranking needs; a narrower terminal breaks its lines rather than its numbers."""


def score(
    store: Annotated[str, typer.Argument(help="Frame store: a folder or s3://….")],
    bundles: Annotated[list[str], typer.Argument(help="Models and ensembles: folders or s3://….")],
    out: Annotated[str, typer.Option(help="Folder, or s3://…, for scores.parquet, summary.json and traces.npz.")],
    truth: Annotated[
        str | None, typer.Option(help="Simulated mice (or their truth folder): withheld responses, ceiling.")
    ] = None,
    track: Annotated[str, typer.Option(help=TRACK)] = "both",
    stage: Annotated[Literal["both", "live", "final"], typer.Option(help="Stage of the tracks.")] = "both",
    frames: Annotated[str | None, typer.Option(help=FRAMES)] = None,
    normalisation: Annotated[
        Literal["raw", "normalised", "normalised-targets"],
        typer.Option(help="Divide responses by each time point's standard deviation: neither, both, or targets alone."),
    ] = "raw",
    keep: Annotated[
        Literal["float16", "float32"] | None, typer.Option(help="Keep the predictions, too, as Parquet.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the bootstrap that the intervals are from.")] = 0,
    address: Annotated[str | None, typer.Option(help=ADDRESS)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the rankings as JSON.")] = False,
) -> None:
    """Score bundles on both tracks, as the competition does. Run it again after an interruption: it goes on.

    Example: sensorium score store bundles/* --truth mice --out scores
    """
    from ..benchmark import STAGES, EvalWindow
    from ..scoring.job import score as run

    table = run(
        bundles,
        store,
        out,
        tracks=None if track == "both" else (track,),
        stages=STAGES if stage == "both" else (stage,),
        truth=truth,
        window=None if frames is None else EvalWindow.parse(frames),
        normalisation=normalisation,
        keep=keep,
        seed=seed,
        address=address,
    )
    if as_json:
        lines = {name: [asdict(row) for row in ranking] for name, ranking in _rankings(table).items()}
        typer.echo(json.dumps({**asdict(table.provenance), "rankings": lines}, indent=1))
    else:
        print_ranking(table)


def print_ranking(table: ScoreTable) -> None:
    """Print one line a bundle; order and last two columns are the final stage's, where it was scored."""
    from rich.console import Console
    from rich.table import Table

    rankings = _rankings(table)
    ranking = next((name for name in rankings if name.endswith("final")), next(iter(rankings), None))
    if ranking is None:
        typer.echo("nothing but the oracle tier was scored; see summary.json")
        return
    shown = Table(title=f"single-trial correlation, frames {table.provenance.window}")
    for column in ("bundle", *rankings, "interval", "to average", "of ceiling"):
        first = column == "bundle"
        shown.add_column(column, justify="left" if first else "right", no_wrap=first or column == "interval")
    values = {name: {row.bundle: row for row in rows} for name, rows in rankings.items()}
    for row in rankings[ranking]:
        singles = [_number(values[name][row.bundle].single_trial_correlation) for name in rankings]
        fraction = "-" if row.fraction_of_ceiling is None else f"{row.fraction_of_ceiling:.1%}"
        interval = "-" if row.interval is None else "{:.3f}..{:.3f}".format(*row.interval)
        shown.add_row(row.bundle, *singles, interval, _number(row.correlation_to_average), fraction)
    shown.caption = f"order, 95 % interval over trials, correlation to average and fraction of the ceiling: {ranking}"
    console = Console()
    Console(width=max(console.width, _WIDTH)).print(shown)


def _rankings(table: ScoreTable) -> dict[str, list[Ranked]]:
    """Rankings of the tracks and stages that were scored, by names such as 'main live'."""
    return {f"{track} {stage}": ranking for (track, stage), ranking in table.rankings.items()}


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
