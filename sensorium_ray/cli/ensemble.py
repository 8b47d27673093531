"""`ensemble`: learn the weights of bundles together."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from .options import ADDRESS, FRAMES

if TYPE_CHECKING:
    from ..bundle.manifest import Manifest


def ensemble(
    store: Annotated[str, typer.Argument(help="Frame store; the weights are learned on its oracle tier alone.")],
    bundles: Annotated[list[str], typer.Argument(help="Members: models or ensembles, on a disk or s3://.")],
    out: Annotated[str, typer.Option(help="Bundle to write, on a disk or s3://.")],
    method: Annotated[
        Literal["uniform", "greedy", "bagged", "nnls", "correlation", "best"],
        typer.Option(help="How weights are chosen; all are judged, 'best' takes what does best on left-out videos."),
    ] = "correlation",
    per: Annotated[
        Literal["all", "mouse", "neuron"], typer.Option(help="Weights that all mice share, of each mouse, or neuron.")
    ] = "all",
    seed: Annotated[int, typer.Option(help="Of the bagged method and the bootstrap.")] = 0,
    frames: Annotated[str | None, typer.Option(help=FRAMES)] = None,
    address: Annotated[str | None, typer.Option(help=ADDRESS)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Learn an ensemble's weights, write it as a bundle, and say what it gains over its best member.

    Example: sensorium ensemble store bundles/factorised3d bundles/dwiseneuro --out bundles/ensemble
    """
    from ..benchmark import EvalWindow
    from ..ensembling.learning import learn_ensemble

    window = EvalWindow.parse(frames) if frames else None
    manifest = learn_ensemble(store, bundles, out, method=method, per=per, seed=seed, window=window, address=address)
    if as_json:
        members = [member.model_dump() for member in manifest.members]
        typer.echo(json.dumps({**manifest.provenance, "weights": members}, indent=1))
    else:
        _print(manifest)


def _print(manifest: Manifest) -> None:
    report = manifest.provenance["ensembling"]
    _print_scores(report)
    gain, best = report["gain"], report["best_member"]
    interval = f"{gain['level']:.0%} interval {gain['low']:+.4f} to {gain['high']:+.4f}"
    typer.echo(f"{report['method']}, per {report['per']}: {gain['value']:+.4f} over the best member, {interval}")
    typer.echo(f"best member: {best['name']}, {best['score']:.4f}")
    _print_growth(report)
    typer.echo("weights:" if report["per"] == "all" else f"weights, mean over every {report['per']}'s own:")
    for member in manifest.members:
        typer.echo(f"{member.weight:.3f}  {member.name}")
    for name in manifest.provenance["left_out"]:
        typer.echo(f"0      {name}, left out")


def _print_scores(report: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    shown = Table(title="single-trial correlation on videos that the weights did not see")
    shown.add_column("weights per")
    for name in report["scores"]["all"]:
        shown.add_column(name, justify="right")
    for per, scores in report["scores"].items():
        shown.add_row(per, *(f"{value:.4f}" for value in scores.values()))
    Console().print(shown)


def _print_growth(report: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    shown = Table(title="growth: members added in greedy order")
    for column in ("members", "added", "mean", "greedy"):
        shown.add_column(column, justify="left" if column == "added" else "right")
    for row in report["growth"]:
        shown.add_row(str(row["members"]), row["added"], f"{row['mean']:.4f}", f"{row['greedy']:.4f}")
    Console().print(shown)
