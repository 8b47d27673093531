"""`experiment`: experiments in silico, on a bundle here or by an endpoint."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

import typer

from ..errors import ConfigError
from .options import ADDRESS, read_setting

if TYPE_CHECKING:
    import xarray as xr

    from ..insilico.subject import Subject
    from ..progress import ProgressLine


def experiment(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Experiment; none: tell which there are.")] = None,
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="TARGET",
            help="A bundle (folder or s3://…) or an endpoint (http://…); none: tell the experiment's settings.",
        ),
    ] = None,
    *,
    model: Annotated[str | None, typer.Option(help="Of an endpoint, if it has several.")] = None,
    mouse: Annotated[str | None, typer.Option(help="Mouse whose neurons answer, if the model has several.")] = None,
    neurons: Annotated[str | None, typer.Option(help="Indices of some neurons, such as 0,5,7; else all.")] = None,
    against: Annotated[
        str | None,
        typer.Option(help="What is compared, where two are: another bundle, or another model of the endpoint."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="One setting, such as directions=8 or contrast=0.5."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Where the labelled arrays go: .nc (netCDF) or .parquet.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Where the picture goes: .png, .svg or .pdf.")] = None,
    address: Annotated[str | None, typer.Option(help=f"{ADDRESS} An endpoint has its own.")] = None,
    grey_levels: Annotated[
        str | None,
        typer.Option(
            metavar="MEAN/STD", help="Of the videos that a bundle was trained with that takes normalised ones."
        ),
    ] = None,
    key: Annotated[str | None, typer.Option(envvar="SENSORIUM_KEY", help="API key, where one is asked for.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what is told as JSON.")] = False,
) -> None:
    """Make an experiment on a model: tuning, receptive fields and more.

    Example: sensorium experiment
    Example: sensorium experiment direction_tuning
    Example: sensorium experiment direction_tuning bundles/best --mouse MOUSE --set directions=8 --out tuning.nc
    Example: sensorium experiment direction_tuning http://127.0.0.1:8000 --model best --mouse MOUSE --plot tuning.png

    An endpoint makes the experiment itself; Ctrl-C cancels it there.
    """
    if name is None:
        _tell_experiments(as_json)
    elif target is None:
        _tell_settings(name, as_json)
    else:
        given = dict(map(read_setting, settings or []))
        _require_new(out, plot)
        whom: _Whom = {"model": model, "mouse": mouse, "neurons": _indices(neurons), "against": against}
        here: _Here = {"address": address, "grey_levels": _mean_and_std(grey_levels)}
        result = _make(name, target, given, whom, here, key)
        _tell_result(result, _write(result, out, plot), plot, as_json)


def _tell_experiments(as_json: bool) -> None:
    from ..insilico import find

    about = {name: find.summary(name) for name in find.names()}
    if as_json:
        typer.echo(json.dumps(about))
        return
    for name, summary in about.items():
        typer.echo(f"{name}: {summary}")


def _tell_settings(name: str, as_json: bool) -> None:
    from ..insilico import find

    settings = find.settings(name)
    if as_json:
        typer.echo(json.dumps({setting.name: {"usual": setting.usual, "about": setting.about} for setting in settings}))
        return
    typer.echo(f"{name}: {find.summary(name)}")
    for setting in settings:
        typer.echo(f"  {setting.name}={json.dumps(setting.usual)}\n      {setting.about}")


def _require_new(out: Path | None, plot: Path | None) -> None:
    """Refuse files that are there, or of other kinds than are written, before any work is done."""
    from .. import storage
    from ..insilico.run import PICTURES
    from ..results import ENDINGS

    for option, path, endings in (("--out", out, ENDINGS), ("--plot", plot, PICTURES)):
        if path is not None:
            if path.suffix not in endings:
                mend = f"name a file that ends in {' or '.join(endings)}"
                raise ConfigError(f"'{path}' is of another kind", option, mend)
            storage.require_new(path)


def _indices(text: str | None) -> list[int] | None:
    if text is None:
        return None
    numbers = text.split(",")
    if not all(number.strip().isdecimal() for number in numbers):
        raise ConfigError(f"are '{text}'", "--neurons", "give whole numbers with commas between them, such as 0,5,7")
    return [int(number) for number in numbers]


def _mean_and_std(text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    try:
        mean, std = map(float, text.split("/"))
    except ValueError as error:
        raise ConfigError(f"is '{text}'", "--grey-levels", "give MEAN/STD, such as 113/60") from error
    return mean, std


class _Whom(TypedDict):
    model: str | None
    mouse: str | None
    neurons: list[int] | None
    against: str | None


class _Here(TypedDict):
    """What is said of bundles alone."""

    address: str | None
    grey_levels: tuple[float, float] | None


def _make(name: str, target: str, settings: dict[str, Any], whom: _Whom, here: _Here, key: str | None) -> xr.Dataset:
    from ..client.clients import SensoriumClient
    from ..insilico import find
    from ..insilico.opening import is_endpoint, open_subject
    from ..insilico.run import run_experiment

    if is_endpoint(target):
        for option, value in here.items():
            if value is not None:
                where = f"--{option.replace('_', '-')}"
                raise ConfigError("is given for an endpoint", where, "leave it out, or name a bundle")
        with SensoriumClient(target, key) as client, _Followed(name) as progress:
            return client.experiment(name, **whom, progress=progress, **settings)
    find.make_config(name, settings)  # before a bundle is opened, which takes a while
    if whom["model"] is not None:
        raise ConfigError("is given for a bundle", "--model", "leave it out, or name an endpoint")

    def opened(bundle: str) -> Subject:
        return open_subject(bundle, whom["mouse"], whom["neurons"], **here)

    subject = opened(target) if whom["against"] is None else opened(target).beside(opened(whom["against"]))
    return run_experiment(name, subject, **settings)


class _Followed(ExitStack):
    """Shows how far an endpoint is with an experiment, a line for each of its parts."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name
        self._line: ProgressLine | None = None
        self._done = self._total = 0

    def __call__(self, state: dict[str, Any]) -> None:
        """Show the state of a run, as the endpoint tells it."""
        from ..progress import ProgressLine

        done, total = state["done"], state["total"]
        if self._line is None or total != self._total or done < self._done:
            self.close()
            self._line, self._done, self._total = None, 0, total
            if total:
                self._line = self.enter_context(ProgressLine(total, self._name))
        if self._line is not None:
            self._line.advance(done - self._done)
            self._done = done


def _write(result: xr.Dataset, out: Path | None, plot: Path | None) -> Path | None:
    """Write the files; tell where the arrays went: what was found is not lost because it is too large for a table."""
    from ..insilico.run import draw_experiment, write_picture
    from ..results import fits, save_result

    if out is not None and not fits(result, out.suffix):
        typer.echo(f"note: this is too large for a table: {out.name}.nc has it as netCDF", err=True)
        out = out.with_name(f"{out.name}.nc")
    if out is not None:
        save_result(result, out)
    if plot is not None:
        write_picture(draw_experiment(result), plot)
    return out


def _tell_result(result: xr.Dataset, out: Path | None, plot: Path | None, as_json: bool) -> None:
    from ..insilico.run import summarise

    about = {name: result.attrs[name] for name in ("experiment", "model", "mouse")}
    values = summarise(result)
    if as_json:
        files = {"out": None if out is None else str(out), "plot": None if plot is None else str(plot)}
        typer.echo(json.dumps({**about, "neurons": result.sizes.get("neuron", 0), "values": values, **files}))
        return
    typer.echo(f"{about['experiment']} of {about['model']}, {about['mouse']}: {result.sizes.get('neuron', 0)} neurons")
    for name, (low, median, high) in values.items():
        typer.echo(f"  {name}: median {median:.4g}, quartiles {low:.4g} and {high:.4g}")
    for path in filter(None, (out, plot)):
        typer.echo(path)
