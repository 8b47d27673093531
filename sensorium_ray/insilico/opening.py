"""The subject of an experiment from what a scientist has: a bundle, or an endpoint's address."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..bundle.predictor import Predictor
from ..client.clients import SensoriumClient
from ..errors import ConfigError
from ..settings import named_or_only
from ..storage import StrPath
from .local import bundle_subject
from .remote import endpoint_subject
from .subject import Subject


def open_subject(
    target: StrPath | Predictor | SensoriumClient,
    mouse: str | None = None,
    neurons: Sequence[int] | np.ndarray | None = None,
    *,
    model: str | None = None,
    key: str | None = None,
    address: str | None = None,
    grey_levels: tuple[float, float] | None = None,
) -> Subject:
    """Neurons of a mouse, to make experiments on; the same call whoever answers.

    Parameters
    ----------
    target : a bundle or an ensemble, named (on a disk or s3://) or opened; or an endpoint, such as
        http://127.0.0.1:8000, or its client.
    mouse : may be left out where there is only one.
    neurons : (n,) indices into the mouse's neurons; None: all.
    model : of an endpoint; may be left out where it has only one.
    key : API key of an endpoint, where one is asked for.
    address : of a Ray cluster ('auto', 'local', 'ray://…') over which a bundle's clips are spread; None: they are
        answered here.
    grey_levels : mean and standard deviation of the grey levels that a bundle of normalised inputs was trained with.

    Raises
    ------
    DataError : the mouse or a neuron is unknown, or the model does not know the mouse's mean behaviour.
    BundleError : the bundle is damaged.
    EndpointError : the endpoint refuses, or is not there.
    ConfigError : something is given that is the other kind's.
    """
    if is_endpoint(target):
        _require_none("an endpoint", "a bundle", address=address, grey_levels=grey_levels)
        client = target if isinstance(target, SensoriumClient) else SensoriumClient(str(target), key)
        if model is None:
            model = named_or_only("model", None, [str(about["name"]) for about in client.models()])
        return endpoint_subject(client, model, mouse, neurons)
    _require_none("a bundle", "an endpoint", model=model, key=key)
    assert not isinstance(target, SensoriumClient)
    return bundle_subject(target, mouse, neurons, address, grey_levels)


def is_endpoint(target: object) -> bool:
    """Whether that is an endpoint, or its address."""
    return isinstance(target, SensoriumClient) or str(target).startswith(("http://", "https://"))


def _require_none(of: str, other: str, **given: object) -> None:
    for name, value in given.items():
        if value is not None:
            raise ConfigError(f"is given for {of}", name, f"leave it out, or name {other}")
