"""`sensorium sweep` and `export`."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.table import Table

from .options import WINDOWS, read_windows


def sweep(
    store: Annotated[str, typer.Argument(help="Frame store that `sensorium ingest` wrote, on a disk or s3://.")],
    spaces: Annotated[
        list[str],
        typer.Argument(help="Architectures with a file in tune_spaces/, or files of your own named like them."),
    ],
    out: Annotated[str, typer.Option(help="Folder to write, on a disk that all machines share or on s3://.")],
    size: Annotated[
        Literal["full", "demo", "published"],
        typer.Option(
            help="full (the paper's point first), demo (for two cores) or published (the paper's point alone)."
        ),
    ] = "full",
    samples: Annotated[int, typer.Option(help="Tune trials an architecture.")] = 8,
    epochs: Annotated[int, typer.Option(help="Epochs of a tune trial that nothing stops.")] = 20,
    steps: Annotated[int, typer.Option(help="Optimiser steps an epoch.")] = 100,
    search: Annotated[Literal["random", "optuna"], typer.Option(help="How points are chosen.")] = "random",
    scheduler: Annotated[
        Literal["asha", "pbt", "none"],
        typer.Option(help="asha stops what falls behind, pbt lets it take over a better one's weights."),
    ] = "asha",
    seed: Annotated[int, typer.Option(help="Seed of every draw.")] = 0,
    cpus: Annotated[float, typer.Option(help="CPU cores a tune trial.")] = 1,
    gpus: Annotated[float, typer.Option(help="GPUs a tune trial; fractions share one.")] = 0,
    hours: Annotated[float | None, typer.Option(help="Hours after which no tune trial goes on.")] = None,
    cost: Annotated[float | None, typer.Option(help="Dollars, likewise; needs --price.")] = None,
    price: Annotated[float | None, typer.Option(help="Dollars an hour of a tune trial's cores and GPUs.")] = None,
    keep: Annotated[
        int, typer.Option(help="Checkpoints that are good together, for an ensemble, to keep in OUT/top.")
    ] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an unfinished sweep in OUT.")] = False,
    address: Annotated[str | None, typer.Option(help="Ray cluster that this machine is part of, e.g. auto.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Search architectures with Ray Tune, scored on the oracle tier.

    Example: sensorium sweep store dwiseneuro mine/factorised3d.py --out s3://lab/sweep --samples 50 --search optuna
    --gpus 0.5 --hours 12 --cost 100 --price 1.2 --keep 5 --resume

    Whatever dies, run the same command with --resume again: tune trials that ended are not run again.
    """
    from ..search.settings import SweepSettings
    from ..search.sweep import sweep as run

    settings = SweepSettings(
        size=size,
        samples=samples,
        epochs=epochs,
        steps=steps,
        search=search,
        scheduler=scheduler,
        seed=seed,
        cpus=cpus,
        gpus=gpus,
        hours=hours,
        cost=cost,
        price=price,
        keep=keep,
    )
    result = run(store, spaces, out, settings, resume=resume, address=address)
    if as_json:
        print(json.dumps(result))
    else:
        _print(result)


def _print(result: dict[str, Any]) -> None:
    from ..search.settings import METRIC

    table = Table("architecture", "tune trial", "epochs", "oracle correlation", "outcome")
    for row in sorted(result["trials"], key=lambda row: -row.get(METRIC, -1)):
        score = f"{row[METRIC]:.4f}" if METRIC in row else "-"
        table.add_row(row["architecture"], row["trial"], str(row["epochs"]), score, row.get("error", row["outcome"]))
    Console().print(table)
    if result["stopped_by"]:
        print(f"stopped by --{result['stopped_by']}: {result['hours']:.2f} hours, {result['cost']:.2f} dollars")
    for name in result["top"]:
        print(f"top/{name}")


def export(
    checkpoints: Annotated[list[str], typer.Argument(help="Checkpoint folders of a sweep, on a disk or s3://.")],
    out: Annotated[
        str,
        typer.Option(help="Bundle to write, a folder or s3://…; of several checkpoints the folder that they go to."),
    ],
    store: Annotated[str | None, typer.Option(help="Store to check on; default: the one it was trained on.")] = None,
    windows: Annotated[str | None, typer.Option(metavar="FRAMES/STEP", help=WINDOWS)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the manifests, one a line.")] = False,
) -> None:
    """Turn checkpoints into ONNX bundles, checked against torch on real clips.

    Example: sensorium export demo/sweep/best/dwiseneuro --out demo/bundles/dwiseneuro

    Several at once: sensorium export sweep/top/* --out bundles
    """
    from ..bundle.export import export as run
    from ..storage import locate, require_new

    folder = locate(out)
    targets = [folder] if len(checkpoints) == 1 else [folder / locate(each).name for each in checkpoints]
    chosen = read_windows(windows)
    for target in targets:
        require_new(target)
    for checkpoint, target in zip(checkpoints, targets, strict=True):
        manifest = run(checkpoint, target, store, windows=chosen)
        if as_json:
            print(manifest.model_dump_json())
            continue
        assert manifest.parity is not None
        about = f"{manifest.architecture} for {len(manifest.mice)} mice"
        print(f"{target}: {about}, differs from torch by {manifest.parity.max_error:.1e}")
