"""Formats are found by the names of their files, as architectures are."""

from __future__ import annotations

import importlib
import pkgutil
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import BundleError
from ..settings import find_module
from .foreign import Foreign

_PARTS = frozenset({"find", "foreign", "gaussian", "starter_cores", "vivit"})

_NUMPY_NUMBERS: list[Any] = [
    np.dtype,
    *(type(np.dtype(name)) for name in ("bool", "int32", "int64", "float32", "float64")),
    *((np.float64(0).__reduce__()[0], f"numpy.{core}.multiarray.scalar") for core in ("_core", "core")),
]
"""What a number of numpy's is made of, under the names of numpy 2 and 1; to make one runs no code of the file's."""


def names() -> list[str]:
    """Names of all formats."""
    package = importlib.import_module(__package__)
    return sorted({module.name for module in pkgutil.iter_modules(package.__path__)} - _PARTS)


def read(format_name: str, file: Path, trusted: bool = False) -> Foreign:
    """A published checkpoint in our names.

    Parameters
    ----------
    trusted : unpickle whatever the file holds, which can run any code; without it tensors, numbers and plain values
        only.

    Raises
    ------
    ConfigError : there is no such format.
    BundleError : the file is missing, is not of that format, or holds more than tensors and plain values.
    """
    module = find_module(__package__, "format", format_name, names())
    try:
        foreign = module.translate(load(file, trusted))
    except BundleError as error:
        raise BundleError(error.what, str(file), error.mend) from error
    # A format may have files whose names alone say how their weights are used.
    named = module.named_settings(file) if hasattr(module, "named_settings") else {}
    return replace(foreign, config={**foreign.config, **named})


def load(file: Path, trusted: bool = False) -> Any:
    """What torch saved in a file, its tensors on the CPU; see `read`."""
    if not file.is_file():
        raise BundleError("file is missing", str(file), "name the file that was published")
    try:
        with torch.serialization.safe_globals(_NUMPY_NUMBERS):
            return torch.load(file, map_location="cpu", weights_only=not trusted)
    except Exception as error:  # unpickling raises whatever it likes
        if re.search("unsupported (global|class)|instantiate", str(error), re.IGNORECASE):
            what = "holds more than tensors and plain values, and to load that can run any code"
            raise BundleError(what, str(file), "if you trust its source, pass --trust") from error
        raise BundleError(f"is no readable checkpoint ({type(error).__name__})", str(file), "fetch it again") from error
