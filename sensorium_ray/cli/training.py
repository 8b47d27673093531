"""`sensorium train`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import ConfigError
from .options import pair, read_setting


def train(
    store: Annotated[str, typer.Argument(help="Frame store that `sensorium ingest` wrote, on a disk or s3://.")],
    arch: Annotated[str, typer.Option(help="Architecture.")],
    out: Annotated[Path, typer.Option(help="Checkpoint folder to write; `sensorium export` makes a bundle of it.")],
    config: Annotated[
        Path | None,
        typer.Option(help='JSON file {"model": {…}, "training": {…}} of settings; others are as published.'),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="One setting, e.g. training.epochs=21 or model.expansion=6."),
    ] = None,
    start: Annotated[str | None, typer.Option(help="Checkpoint or bundle to fine-tune.")] = None,
    teacher: Annotated[
        list[str] | None, typer.Option(help="Checkpoint or bundle to learn from; may be given again.")
    ] = None,
    fold: Annotated[
        str | None, typer.Option(metavar="K/N", help="Leave fold K of N of the training videos out, and score it.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an unfinished training in OUT.")] = False,
    workers: Annotated[int, typer.Option(help="Processes that share every batch, each with a GPU if there are.")] = 1,
    track: Annotated[str | None, typer.Option(help="Keep the curves with tensorboard, mlflow or wandb.")] = None,
    address: Annotated[str | None, typer.Option(help="Ray cluster for the workers, e.g. auto.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Train one network, scored on the oracle tier; the best epoch is kept.

    Example: sensorium train store --arch dwiseneuro --out dwiseneuro --fold 1/7 --set training.cutmix=0.5

    Settings that are not given are the published ones of tune_spaces/, with --start those of the model it names.
    """
    from ..training.job import train as run
    from ..training.memory import keep_freed_memory
    from ..training.settings import TrainSettings

    point = _point(arch, start, config, settings or [], fold)
    chosen = TrainSettings.of(point["training"])
    keep_freed_memory()
    result = run(
        store,
        arch,
        out,
        point["model"],
        chosen,
        start=start,
        teachers=teacher or [],
        resume=resume,
        workers=workers,
        track=track,
        address=address,
    )
    if as_json:
        print(json.dumps(result))
        return
    best = result["best"]
    scores = [f"{name} {best[f'{name}_correlation']:.4f}" for name in ("oracle", "fold") if best[f"{name}_correlation"]]
    print(f"{out}: {arch}, epoch {best['number']} of {len(result['epochs'])}, correlation: {', '.join(scores)}")


def _point(
    architecture: str, start: str | None, config: Path | None, settings: list[str], fold: str | None
) -> dict[str, dict[str, Any]]:
    """Settings of model and training: published or those of the start, then the file's, then single ones."""
    from ..search.spaces import space
    from ..storage import read_json
    from ..training.trained import read_start

    point = space(architecture, "published").settings
    if start is not None:
        point["model"] = dict(read_start(start, architecture).config)
    given = {} if config is None else read_json(config)
    if not isinstance(given, dict) or not all(isinstance(part, dict) for part in given.values()):
        raise ConfigError("is not made of parts", str(config), 'write {"model": {…}, "training": {…}}')
    for name, value in [
        *((f"{part}.{key}", v) for part in given for key, v in given[part].items()),
        *map(read_setting, settings),
    ]:
        part, _, key = name.partition(".")
        if part not in point or not key:
            raise ConfigError(f"has no setting '{name}'", architecture, "begin its name with model. or training.")
        point[part][key] = value
    if fold is not None:
        number, count = pair("--fold", fold, "K/N, such as 1/7")
        point["training"] |= {"fold": number, "folds": count}
    return point
