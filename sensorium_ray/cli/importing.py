"""`import`: a published checkpoint becomes a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from .options import WINDOWS, read_setting, read_windows


def import_(
    format_name: Annotated[str, typer.Argument(metavar="FORMAT", help="Who published it, e.g. dwiseneuro.")],
    file: Annotated[Path, typer.Argument(help="The checkpoint.")],
    out: Annotated[Path, typer.Option(help="Bundle to write.")],
    store: Annotated[
        str | None,
        typer.Option(help="Frame store of the mice that it was trained on; without it, inputs stay normalised."),
    ] = None,
    mouse: Annotated[
        list[str] | None, typer.Option(help="NAME_IN_FILE=NAME_IN_STORE, where names do not tell; may be given often.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="What the file does not tell, e.g. model.padding=true."),
    ] = None,
    windows: Annotated[str | None, typer.Option(metavar="FRAMES/STEP", help=WINDOWS)] = None,
    trust: Annotated[bool, typer.Option(help="Unpickle all of the file: it can run any code.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the manifest.")] = False,
) -> None:
    """Turn a published checkpoint into a bundle that can be served, scored, ensembled and trained on.

    Example: sensorium import dwiseneuro model-017-0.293.pth --store store --out bundles/winner
    """
    from ..bundle.importing import import_checkpoint
    from ..errors import ConfigError

    pairs = [text.partition("=") for text in mouse or ()]
    for name, equals, _ in pairs:
        if not equals:
            raise ConfigError(f"'{name}' names one mouse", "--mouse", "write NAME_IN_FILE=NAME_IN_STORE")
    names = {theirs: ours for theirs, _, ours in pairs}
    manifest = import_checkpoint(
        format_name,
        file,
        out,
        store=store,
        names=names,
        settings=dict(map(_setting, settings or ())),
        trusted=trust,
        windows=read_windows(windows),
    )
    if as_json:
        typer.echo(manifest.model_dump_json())
        return
    assert manifest.parity is not None
    about = f"{manifest.architecture} for {len(manifest.mice)} mice"
    typer.echo(f"{out}: {about}, differs from torch by {manifest.parity.max_error:.1e}")
    if manifest.inputs == "normalised":
        typer.echo("It takes normalised clips and gives normalised responses; with --store, recorded ones.")
    for name in manifest.provenance["left_out"]:
        typer.echo(f"left out, since the store lacks it: {name}")


def _setting(text: str) -> tuple[str, Any]:
    """Name, without its 'model.', and value.

    Raises
    ------
    ConfigError : it is no setting of a network.
    """
    from ..errors import ConfigError

    name, value = read_setting(text)
    if not name.startswith("model."):
        raise ConfigError(f"has no setting '{name}'", "--set", "begin its name with model.")
    return name.removeprefix("model."), value
