"""`leaderboard`: the evaluation service at the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..errors import ConfigError
from .options import FRAMES
from .serving import UploadBar
from .submission import NORMALISATION, SENT, TRUTH, spoken

if TYPE_CHECKING:
    from ..client.submitting import RemoteLeaderboard
    from ..submissions.leaderboard import Leaderboard

app = typer.Typer(
    help="Take submissions, score them, keep the standings, and publish them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

_FOLDER = typer.Argument(metavar="BOARD", help="The leaderboard's folder.")
_BOARD = typer.Argument(metavar="BOARD", help="The leaderboard's folder, or the address of an endpoint that keeps it.")
_KEY = typer.Option(envvar="SENSORIUM_KEY", help="API key, where an address asks for one.")
_JSON = typer.Option("--json", help="Print it as JSON.")


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="New folder.")],
    store: Annotated[str, typer.Option(help="Frame store whose test tiers are scored.")],
    truth: Annotated[Path | None, typer.Option(help=TRUTH)] = None,
    frames: Annotated[str | None, typer.Option(help=FRAMES)] = None,
    normalisation: Annotated[str, typer.Option(help=NORMALISATION)] = "raw",
    per_day: Annotated[int, typer.Option(help="Submissions of a team in a UTC day.")] = 3,
    total: Annotated[int, typer.Option(help="Submissions of a team ever.")] = 100,
    title: Annotated[str, typer.Option(help="Title of the page.")] = "Sensorium",
) -> None:
    """Found a leaderboard.

    Example: sensorium leaderboard init board --store store --truth mice --per-day 1
    """
    from ..benchmark import EvalWindow
    from ..submissions.leaderboard import Leaderboard

    Leaderboard.create(
        folder,
        store,
        truth,
        window=None if frames is None else EvalWindow.parse(frames),
        normalisation=normalisation,
        limit_per_day=per_day,
        limit_total=total,
        title=title,
    )
    typer.echo(folder)


@app.command()
def submit(
    board: Annotated[str, _BOARD],
    file: Annotated[Path, typer.Argument(help=SENT)],
    team: Annotated[str | None, typer.Option(help="Name of the team; an endpoint's key says it.")] = None,
    note: Annotated[str, typer.Option(help="The team's own words.")] = "",
    key: Annotated[str | None, _KEY] = None,
    as_json: Annotated[bool, _JSON] = False,
) -> None:
    """Check a submission, score it and write it down; ends with status 1 where it is refused.

    Example: sensorium leaderboard submit board submission/submission_main.zip --team mine
    Example: sensorium leaderboard submit http://127.0.0.1:8000 submission/submission_main.zip --team mine
    """
    from ..client.submitting import RemoteLeaderboard

    with _open(board, key) as found, UploadBar() as bar:
        if isinstance(found, RemoteLeaderboard):
            receipt = found.submit(file, team, note, progress=bar)
        elif team is None:
            raise ConfigError("is missing", "--team", "name the team that sends this")
        else:
            receipt = found.submit(file, team, note)
    if as_json:
        typer.echo(json.dumps(asdict(receipt), indent=1))
        raise typer.Exit(0 if receipt.accepted else 1)
    for line in (*receipt.faults, *receipt.warnings):
        typer.echo(line)
    for track, scores in receipt.scores.items():
        typer.echo(f"{track} live: {spoken(scores)}")
    for track in receipt.withheld:
        typer.echo(f"{track} final: withheld")
    state = f"submission {receipt.number} of {receipt.team}" if receipt.accepted else "refused, which does not count"
    typer.echo(f"{state}; {receipt.left_today} left today, {receipt.left} in all")
    raise typer.Exit(0 if receipt.accepted else 1)


@app.command()
def show(
    board: Annotated[str, _BOARD],
    stage: Annotated[Literal["live", "final"], typer.Option(help="Stage of the tracks.")] = "live",
    key: Annotated[str | None, _KEY] = None,
    as_json: Annotated[bool, _JSON] = False,
) -> None:
    """Print the standings of all tracks.

    Example: sensorium leaderboard show board --stage final
    """
    with _open(board, key) as found:
        standings = found.all_standings(stage)
    if as_json:
        typer.echo(json.dumps({track: [asdict(row) for row in rows] for track, rows in standings.items()}, indent=1))
        return
    for track, rows in standings.items():
        typer.echo(f"{track}, {stage}:" if rows else f"{track}, {stage}: no submission yet")
        for row in rows:
            typer.echo(f"{row.rank:3d}  {row.team}: {spoken(row.scores)}")


@app.command("open")
def open_final(board: Annotated[str, _BOARD], key: Annotated[str | None, _KEY] = None) -> None:
    """Open the final standings, for good; no more submissions are taken.

    Example: sensorium leaderboard open board
    """
    with _open(board, key) as found:
        typer.echo(f"final standings open since {found.open_final()}")


@app.command()
def publish(
    folder: Annotated[Path, _FOLDER],
    out: Annotated[Path, typer.Option(help="HTML file, replaced where it exists.")],
) -> None:
    """Write the standings as a static page.

    Example: sensorium leaderboard publish board --out index.html
    """
    from ..report.standings import write_standings
    from ..submissions.leaderboard import Leaderboard

    write_standings(Leaderboard.open(folder), out)
    typer.echo(out)


@contextmanager
def _open(board: str, key: str | None) -> Iterator[Leaderboard | RemoteLeaderboard]:
    """The leaderboard of a folder or at an address."""
    if "://" in board:
        from ..client.submitting import RemoteLeaderboard

        with RemoteLeaderboard(board, key) as remote:
            yield remote
    else:
        from ..submissions.leaderboard import Leaderboard

        yield Leaderboard.open(board)
