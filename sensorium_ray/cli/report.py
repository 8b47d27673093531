"""`sensorium report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    scores: Annotated[Path, typer.Argument(help="Folder that `sensorium score` wrote.")],
    out: Annotated[Path | None, typer.Option(help="HTML file to write; default: report.html in that folder.")] = None,
    sweep: Annotated[Path | None, typer.Option(help="Sweep whose curves are shown too.")] = None,
) -> None:
    """Write one self-contained HTML page and print its ranking.

    Example: sensorium report demo/scores --sweep demo/sweep --out demo/report.html
    """
    from ..report.page import write_report
    from .scoring import print_ranking

    path = out or scores / "report.html"
    print_ranking(write_report(scores, path, sweep))
    print(f"report: {path}")
