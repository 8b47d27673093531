"""Gradients that an endpoint tells: what is asked, and what is made of the answer."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable
from typing import Any

import httpx
import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from ..data.clip import Clip
from ..errors import DataError
from . import connecting
from .answered import ForeignError, attributes
from .asking import listed, model_url

_NPZ = "application/x-npz"


def request(
    build: Callable[..., httpx.Request],
    url: str,
    model: str,
    video: Clip | ArrayLike,
    mouse: str | None,
    weights: ArrayLike | None,
    neurons: Iterable[int] | str | None,
    frames: str | None,
) -> httpx.Request:
    """Request of gradients; see `SensoriumClient.gradients`.

    Raises
    ------
    DataError : an array is none.
    ConfigError : more neurons are named than an address can hold.
    """
    shown: dict[str, Any] = {"video": video}
    if isinstance(video, Clip):
        shown = {"video": video.video, "behavior": video.behavior, "pupil_center": video.pupil_center}
    file = io.BytesIO()
    try:
        arrays = {name: np.asarray(array) for name, array in {**shown, "weights": weights}.items() if array is not None}
        np.savez(file, allow_pickle=False, **arrays)
    except ValueError as error:  # rows of several lengths, or objects
        raise DataError("is not a rectangular array of numbers", "video or weights") from error
    wishes = {"mouse": mouse, "neurons": listed("neurons", neurons), "frames": frames}
    return build(
        "POST",
        f"{model_url(url, model)}/gradients",
        params={name: wish for name, wish in wishes.items() if wish is not None},
        content=file.getvalue(),
        headers={"Content-Type": _NPZ, "Accept": _NPZ},
    )


def read(url: str, response: httpx.Response) -> xr.Dataset:
    """Responses and gradient, labelled.

    Raises
    ------
    EndpointError : the endpoint refuses.
    ForeignError : it is no endpoint.
    """
    connecting.require_success(url, response)
    try:
        with np.load(io.BytesIO(response.content), allow_pickle=False) as archive:
            told = {name: archive[name] for name in ("responses", "gradient", "unit_ids")}
            about = json.loads(str(archive["about"]))
        return xr.Dataset(
            {
                "responses": (("neuron", "time"), told["responses"]),
                "gradient": (("time", "row", "column"), told["gradient"]),
            },
            {
                "unit_id": ("neuron", told["unit_ids"]),
                "time": ("time", np.arange(told["responses"].shape[1]) / about["rate"], {"units": "s"}),
            },
            attributes(about),
        ).set_xindex("unit_id")
    except Exception as error:  # numpy, zipfile and json each raise their own
        raise ForeignError from error
