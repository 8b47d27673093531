"""`sensorium ingest`, `verify` and `describe`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from ..data.describe import MouseSummary

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
Store = Annotated[str, typer.Argument(metavar="STORE", help="A frame store: a folder or s3://….")]


def ingest(
    raw: Annotated[Path, typer.Argument(metavar="RAW", help="A mouse (a folder or a zip), or a folder of mice.")],
    store: Annotated[str, typer.Argument(metavar="STORE", help="The frame store to make: a folder or s3://….")],
    dtype: Annotated[
        Literal["float32", "float16"],
        typer.Option(help="float32 is exact; float16 takes half the room, and says what that costs."),
    ] = "float32",
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

    made = run(raw, store, dtype=dtype, address=address)
    rounding = {mouse: made[mouse].rounding for mouse in made.mice}
    if as_json:
        facts = {"store": str(made.path), "mice": made.mice, "checksum": made.checksum, "rounding": rounding}
        print(json.dumps(facts))
        return
    print(f"{made.path}: mice {', '.join(made.mice)}; checksum {made.checksum}")
    for mouse, cost in rounding.items():
        if cost:
            print(f"{mouse}: {_cost(dtype, cost)}")


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
    path: Annotated[
        str, typer.Argument(metavar="PATH", help="A frame store (a folder or s3://…), a mouse, or a folder of mice.")
    ],
    plot: Annotated[Path | None, typer.Option(metavar="FILE.png", help="Draw the mice as well.")] = None,
    as_json: Json = False,
) -> None:
    """Say what a frame store or published mice hold; of mice, every trial is read and so checked.

    Example: sensorium describe store/ --plot store.png
    """
    from ..data.describe import survey

    mice = survey(path)
    if as_json:
        print(json.dumps([asdict(mouse.summary) for mouse in mice]))
    else:
        _print_table([mouse.summary for mouse in mice])
    if plot is not None:
        from ..report.describe_plot import write_plot

        write_plot(mice, plot)


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
        if mouse.rounding:
            console.print(_cost(mouse.dtype, mouse.rounding), highlight=False)
        if mouse.absent:
            console.print(f"absent, read as zeros: {', '.join(mouse.absent)}", highlight=False)
        table = Table("tier", "trials", "frames", "videos", "repeats", box=None)
        for tier in mouse.tiers:
            table.add_row(tier.tier, str(tier.trials), _range(tier.frames), str(tier.videos), _range(tier.repeats))
        console.print(table)


def _cost(dtype: str | None, rounding: dict[str, float]) -> str:
    median, largest = rounding["median_correlation_loss"], rounding["largest_correlation_loss"]
    return f"{dtype} costs {median:.1e} of correlation in the median neuron, {largest:.1e} at most"


def _range(ends: tuple[int, int]) -> str:
    low, high = ends
    return str(low) if low == high else f"{low}..{high}"
