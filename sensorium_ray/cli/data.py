"""`sensorium ingest`, `verify` and `describe`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ..data.describe import MouseSummary

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
Store = Annotated[Path, typer.Argument(metavar="STORE", help="A frame store.")]


def ingest(
    raw: Annotated[Path, typer.Argument(metavar="RAW", help="A mouse folder, or a folder of mouse folders.")],
    store: Annotated[Path, typer.Argument(metavar="STORE", help="The frame store to make.")],
    address: Annotated[
        str | None,
        typer.Option(help="Ray cluster to use, such as 'auto'; default: start one on this machine."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check published or simulated mice and write them to a frame store.

    Run it again after an interruption: it goes on where it was.

    Example: sensorium ingest mice/ store/
    """
    from ..data.ingest import ingest as run

    made = run(raw, store, address)
    if as_json:
        print(json.dumps({"store": str(made.path), "mice": made.mice, "checksum": made.checksum}))
    else:
        print(f"{made.path}: mice {', '.join(made.mice)}; checksum {made.checksum}")


def verify(store: Store, as_json: Json = False) -> None:
    """Hash every file of a frame store again and compare.

    Example: sensorium verify store/
    """
    from ..data.store import FrameStore
    from ..data.store import verify as run

    opened = FrameStore.open(store)
    files = run(opened)
    if as_json:
        print(json.dumps({"store": str(store), "files": files, "checksum": opened.checksum}))
    else:
        print(f"{store}: all {files} files are whole, checksum {opened.checksum}")


def describe(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A frame store, or a folder of mice.")],
    as_json: Json = False,
) -> None:
    """Say what a frame store or a folder of mice holds; of mice, every trial is read and so checked.

    Example: sensorium describe store/
    """
    from ..data.describe import describe as run

    mice = run(path)
    if as_json:
        print(json.dumps([asdict(mouse) for mouse in mice]))
    else:
        _print_table(mice)


def _print_table(mice: list[MouseSummary]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(soft_wrap=True)
    for mouse in mice:
        height, width = mouse.frame_shape
        line = f"{mouse.name}: {mouse.neurons} neurons, {height}x{width} pixels"
        if mouse.response_mean is not None:
            line += f", median neuron's response {mouse.response_mean:.3g} ± {mouse.response_std:.3g}"
        console.print(line, highlight=False)
        table = Table("tier", "trials", "frames", "videos", "repeats", box=None)
        for tier in mouse.tiers:
            table.add_row(tier.tier, str(tier.trials), _range(tier.frames), str(tier.videos), _range(tier.repeats))
        console.print(table)


def _range(ends: tuple[int, int]) -> str:
    low, high = ends
    return str(low) if low == high else f"{low}..{high}"
