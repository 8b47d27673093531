"""`keys`: API keys of an endpoint at the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import ConfigError

app = typer.Typer(
    help="Make, list and remove the API keys of an endpoint; `sensorium serve --keys FILE` asks for them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
_NAME = typer.Argument(help="Whose it is.")
_FILE = typer.Option("--keys", envvar="SENSORIUM_KEYS_FILE", help="File of the keys' hashes.")


@app.command()
def add(
    name: Annotated[str, _NAME],
    file: Annotated[Path, _FILE] = Path("keys.json"),
    scope: Annotated[list[str] | None, typer.Option(help="What it is for: predict, submit, admin.")] = None,
) -> None:
    """Make a key and print it, once: only its hash is kept.

    Example: sensorium keys add lab --keys keys.json --scope predict
    """
    from ..serving import keys

    known = keys.read(file)
    if name in [key.name for key in known]:
        raise ConfigError(f"has a key of '{name}' already", str(file), "remove that first, or take another name")
    key, kept = keys.make(name, scope or ["predict"])
    keys.write(file, [*known, kept])
    typer.echo(key)


@app.command("list")
def list_(file: Annotated[Path, _FILE] = Path("keys.json")) -> None:
    """List whose keys there are and what they are for.

    Example: sensorium keys list --keys keys.json
    """
    from ..serving import keys

    for key in keys.read(file):
        typer.echo(f"{key.name}: {', '.join(key.scopes)}")


@app.command()
def remove(name: Annotated[str, _NAME], file: Annotated[Path, _FILE] = Path("keys.json")) -> None:
    """Remove a key; an endpoint that runs knows it until it is started again.

    Example: sensorium keys remove lab --keys keys.json
    """
    from ..serving import keys

    known = keys.read(file)
    if name not in [key.name for key in known]:
        mend = f"known: {', '.join(key.name for key in known)}" if known else "it has none at all"
        raise ConfigError(f"has no key of '{name}'", str(file), mend)
    keys.write(file, [key for key in known if key.name != name])
