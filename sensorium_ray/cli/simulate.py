"""`sensorium simulate`: mice to try everything on."""

from __future__ import annotations

import json
import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class ScaleName(StrEnum):
    """Names of the scales of either release, known here so that `--help` needs no numpy."""

    tiny = "tiny"
    demo = "demo"
    full = "full"


class Release(StrEnum):
    """The published data sets."""

    images = "2022"
    videos = "2023"


def simulate(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder, or an unfinished simulation.")],
    scale: Annotated[
        ScaleName, typer.Option(help="tiny: for tests; demo: for a first look; full: as the published mice.")
    ] = ScaleName.demo,
    release: Annotated[
        Release, typer.Option(help="2022: images, and behaviour with each; 2023: videos.")
    ] = Release.videos,
    seed: Annotated[int, typer.Option(min=0, help="The same seed and scale give the same files.")] = 0,
    mice: Annotated[int | None, typer.Option(min=1, help="How many mice, instead of the scale's two.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the names as JSON.")] = False,
) -> None:
    """Write simulated mice, file by file as a benchmark publishes them, and the truth beside them.

    A simulation that was cut short goes on where it stopped.

    Example: sensorium simulate mice --scale demo --release 2022 --seed 1
    """
    # Two trials are made at once; a matrix product that takes both cores as well would only get in their way.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from ..data.simulate import SCALES, SCALES_2022
    from ..data.simulate import simulate as run

    chosen = (SCALES_2022 if release is Release.images else SCALES)[scale.value]
    names = run(folder, chosen if mice is None else chosen.with_mice(mice), seed)
    if as_json:
        typer.echo(json.dumps({"folder": str(folder), "mice": names}))
    else:
        for name in names:
            typer.echo(name)
