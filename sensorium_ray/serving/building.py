"""What `serve deploy` and the like build an endpoint from: `sensorium_ray.serving.building:build`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, NonNegativeFloat, NonNegativeInt, PositiveInt, ValidationError
from ray.serve import Application

from ..bundle.pretrained import PRETRAINED
from ..errors import ConfigError
from . import deployment, keys
from .catalogue import Catalogue
from .settings import LogFormat, LogLevel, Settings


class Arguments(BaseModel):
    """`args` of the application in the file; what is Serve's own is among the options of the deployment `Replica`.

    Parameters
    ----------
    bundles : folder of bundles on a disk that every node sees, or s3://…; None: those that come with the package.
    keys : file of `sensorium keys`; None: what the environment variable SENSORIUM_KEYS holds, if anything.
    per_minute : requests with one key, in each replica; None: any number.
    insecure : let everybody in, if there are no keys.
    workers, worker_gpus, batch, leaderboard, experiments, log_level, log_format : as in `Settings`.
    """

    model_config = ConfigDict(extra="forbid")

    bundles: str | None = None
    keys: Path | None = None
    per_minute: PositiveInt | None = None
    insecure: bool = False
    workers: NonNegativeInt = 0
    worker_gpus: NonNegativeFloat = 0
    batch: PositiveInt = 1
    leaderboard: Path | None = None
    experiments: Path | None = None
    log_level: LogLevel = "INFO"
    log_format: LogFormat = "JSON"


def build(arguments: Mapping[str, object]) -> Application:
    """Application that answers for the bundles of a folder.

    Raises
    ------
    ConfigError : the arguments are not those of `Arguments`, or nobody is asked for a key.
    BundleError : the folder holds no bundle, or a damaged one.
    """
    try:
        given = Arguments.model_validate(arguments)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ConfigError(first["msg"], f"args of the application, {where}", "see cluster/serve.yaml") from error
    settings = Settings(
        host="0.0.0.0",  # where it listens is said elsewhere in the file; this is the careful guess
        keys=keys.given(given.keys),
        **given.model_dump(exclude={"bundles", "keys"}),
    )
    return deployment.application(Catalogue(given.bundles or PRETRAINED), settings)
