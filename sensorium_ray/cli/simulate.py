"""`sensorium simulate`: mice to try everything on."""

from __future__ import annotations

import json
import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class ScaleName(StrEnum):
    """Names of `data.schedule.SCALES`, known here so that `--help` needs no numpy."""

    tiny = "tiny"
    demo = "demo"
    full = "full"


def simulate(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder, or an unfinished simulation.")],
    scale: Annotated[
        ScaleName, typer.Option(help="tiny: for tests; demo: for a first look; full: as the published mice.")
    ] = ScaleName.demo,
    seed: Annotated[int, typer.Option(min=0, help="The same seed and scale give the same files.")] = 0,
    mice: Annotated[int | None, typer.Option(min=1, help="How many mice, instead of the scale's two.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the names as JSON.")] = False,
) -> None:
    """Write simulated mice, file by file as the 2023 benchmark publishes them, and the truth beside them.

    A simulation that was cut short goes on where it stopped.

    Example: sensorium simulate mice --scale demo --seed 1
    """
    # Two trials are made at once; a matrix product that takes both cores as well would only get in their way.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from ..data.schedule import SCALES
    from ..data.simulate import simulate as run

    chosen = SCALES[scale.value] if mice is None else SCALES[scale.value].with_mice(mice)
    names = run(folder, chosen, seed)
    if as_json:
        typer.echo(json.dumps({"folder": str(folder), "mice": names}))
    else:
        for name in names:
            typer.echo(name)
