"""`sensorium download`: the published mice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer


def download(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where the mice go; run again it goes on there.")],
    release: Annotated[
        Literal["2022", "2023"], typer.Option(help="All mice of it, unless --mouse names some.")
    ] = "2023",
    mouse: Annotated[
        list[str] | None, typer.Option(help="A to J (2023), static21067-10-18 and so on (2022); may be repeated.")
    ] = None,
    url: Annotated[str | None, typer.Option(help="Address of another folder of the zips, such as a mirror.")] = None,
    parallel: Annotated[int, typer.Option(min=1, help="Files at once.")] = 2,
    keep_zips: Annotated[bool, typer.Option("--keep-zips", help="Keep the zips beside what is unpacked.")] = False,
    no_unpack: Annotated[bool, typer.Option("--no-unpack", help="Keep the zips only.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the paths as JSON.")] = False,
) -> None:
    """Fetch the published mice, check every file of them and unpack them.

    Run it again after an interruption: it goes on where it was.

    Example: sensorium download mice --release 2023 --mouse F --mouse G
    """
    from ..data.download import download as run
    from ..data.download import mice_of

    paths = run(
        folder,
        mouse or mice_of(release),
        base_url=url,
        parallel=parallel,
        unpack=not no_unpack,
        keep_zips=keep_zips,
    )
    if as_json:
        typer.echo(json.dumps({"folder": str(folder), "mice": [path.name for path in paths]}))
    else:
        for path in paths:
            typer.echo(path)
