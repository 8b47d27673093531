"""`sensorium sweep` and `export`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table


def sweep(
    store: Annotated[Path, typer.Argument(help="Frame store that `sensorium ingest` wrote.")],
    spaces: Annotated[list[str], typer.Argument(help="Architectures; each has a file in tune_spaces/.")],
    out: Annotated[Path, typer.Option(help="Folder to write; an unfinished sweep in it goes on.")],
    size: Annotated[
        Literal["full", "demo", "published"],
        typer.Option(help="full, demo (for two cores) or published (the paper's point)."),
    ] = "full",
    trials: Annotated[int, typer.Option(help="Tune trials an architecture.")] = 8,
    epochs: Annotated[int, typer.Option(help="Epochs of a tune trial that ASHA does not stop.")] = 20,
    steps: Annotated[int, typer.Option(help="Optimiser steps an epoch.")] = 100,
    seed: Annotated[int, typer.Option(help="Seed of every draw.")] = 0,
    cpus: Annotated[float, typer.Option(help="CPU cores a tune trial.")] = 1,
    gpus: Annotated[float, typer.Option(help="GPUs a tune trial; fractions share one.")] = 0,
    address: Annotated[str | None, typer.Option(help="Ray cluster, e.g. ray://head:10001.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Search architectures with Ray Tune and ASHA, scored on the oracle tier.

    Example: sensorium sweep demo/store linear_nonlinear factorised3d --size demo --trials 2 --out demo/sweep
    """
    from ..search.sweep import METRIC, SweepSettings
    from ..search.sweep import sweep as run

    settings = SweepSettings(size, trials, epochs, steps, seed, cpus, gpus)
    result = run(store, list(dict.fromkeys(spaces)), out, settings, address)
    if as_json:
        print(json.dumps(result))
        return
    table = Table("architecture", "tune trial", "epochs", "oracle correlation", "outcome")
    for row in sorted(result["trials"], key=lambda row: -row.get(METRIC, -1)):
        score = f"{row[METRIC]:.4f}" if METRIC in row else "-"
        table.add_row(row["architecture"], row["trial"], str(row["epochs"]), score, row.get("error", "ok"))
    Console().print(table)


def export(
    checkpoint: Annotated[Path, typer.Argument(help="Checkpoint folder of a sweep, e.g. demo/sweep/best/dwiseneuro.")],
    out: Annotated[Path, typer.Option(help="Bundle to write.")],
    store: Annotated[Path | None, typer.Option(help="Store to check on; default: the one it was trained on.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the manifest.")] = False,
) -> None:
    """Turn a checkpoint into an ONNX bundle, checked against torch on real clips.

    Example: sensorium export demo/sweep/best/dwiseneuro --out demo/bundles/dwiseneuro
    """
    from ..bundle.export import export as run

    manifest = run(checkpoint, out, store)
    if as_json:
        print(manifest.model_dump_json())
        return
    assert manifest.parity is not None
    about = f"{manifest.architecture} for {len(manifest.mice)} mice"
    print(f"{out}: {about}, differs from torch by {manifest.parity.max_error:.1e}")
