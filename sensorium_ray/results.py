"""Results of experiments as files: netCDF (.nc), or Parquet (.parquet), a long table for all that reads tables."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xarray as xr

from .errors import ConfigError, DataError
from .storage import StrPath, atomic_path, locate, read_bytes

_METADATA_KEY = b"sensorium_ray"
_MEND = "name a file that an experiment wrote"
ENDINGS = (".nc", ".parquet")
"""How the names of results end."""
MOST_ROWS = 10_000_000
"""Of a table; images of many neurons have a row a pixel."""


def fits(result: xr.Dataset, ending: str) -> bool:
    """Whether a result can be saved in files that end so."""
    return ending != ".parquet" or math.prod(result.sizes.values()) <= MOST_ROWS


def save_result(result: xr.Dataset, path: StrPath) -> None:
    """Write a result, atomically; its attributes travel with it.

    Parameters
    ----------
    path : ends with .nc for netCDF-4, or with .parquet for a table of one row a neuron and condition: a column for each
        dimension and each variable, those of fewer dimensions repeated. On a disk or s3://.

    Raises
    ------
    ConfigError : the name ends otherwise, or the table would have more than `MOST_ROWS`.
    DataError : it cannot be written there.
    """
    place = locate(path)
    if not fits(result, place.suffix):
        what = f"would have {math.prod(result.sizes.values()):,} rows, of which a table may have {MOST_ROWS:,}"
        raise ConfigError(what, str(path), "let it end with .nc")
    write = {".nc": _write_netcdf, ".parquet": _write_parquet}[_kind(place)]
    with atomic_path(place) as partial:
        write(result, partial)


def load_result(path: StrPath) -> xr.Dataset:
    """Read what `save_result` wrote.

    Raises
    ------
    ConfigError : the name ends neither with .nc nor with .parquet.
    DataError : the file is missing, damaged, or no result.
    """
    place = locate(path)
    kind = _kind(place)
    try:
        content = read_bytes(place)
    except FileNotFoundError as error:
        raise DataError("file is missing", str(path), _MEND) from error
    except OSError as error:
        raise DataError(f"is not a readable result ({error})", str(path), _MEND) from error
    return read_result(content, kind, str(path))


def read_result(content: bytes, ending: str, where: str) -> xr.Dataset:
    """Read what is in a file that `save_result` wrote.

    Parameters
    ----------
    ending : of the file's name, one of `ENDINGS`.
    where : it came from, for the sentence.

    Raises
    ------
    DataError : it is damaged, or no result.
    """
    read = {".nc": _read_netcdf, ".parquet": _read_parquet}[ending]
    try:
        return read(io.BytesIO(content))
    except (pa.ArrowException, KeyError, TypeError, ValueError, OSError, RuntimeError) as error:
        raise DataError(f"is not a readable result ({error})", where, _MEND) from error


def _kind(path: Path) -> str:
    if path.suffix not in ENDINGS:
        raise ConfigError("is no name of a result", str(path), f"let it end with {' or '.join(ENDINGS)}")
    return path.suffix


def _write_netcdf(result: xr.Dataset, path: Path) -> None:
    result.to_netcdf(path, engine="h5netcdf")


def _read_netcdf(file: io.BytesIO) -> xr.Dataset:
    result = xr.load_dataset(file, engine="h5netcdf")
    # Strings come back as objects.
    texts = {name: array.astype(str) for name, array in result.variables.items() if array.dtype == object}
    return result.assign(texts)


def _write_parquet(result: xr.Dataset, path: Path) -> None:
    sizes = dict(result.sizes)
    facts = {
        "attributes": result.attrs,
        "sizes": sizes,
        "variables": {
            str(name): {"dims": array.dims, "coordinate": name in result.coords, "attributes": array.attrs}
            for name, array in result.variables.items()
        },
    }
    columns = {name: np.arange(size) for name, size in sizes.items() if name not in result.variables}
    columns = {name: _column(xr.Variable([name], places), sizes) for name, places in columns.items()}
    columns |= {name: _column(array, sizes) for name, array in result.variables.items()}
    table = pa.table({str(name): column for name, column in columns.items()})
    metadata = {_METADATA_KEY: json.dumps(facts).encode()}
    pq.write_table(table.replace_schema_metadata(metadata), path, compression="zstd")


def _column(array: xr.Variable, sizes: dict[Any, int]) -> np.ndarray:
    """Values of an array in every row of the table, the last dimension fastest."""
    return array.set_dims(sizes).transpose(*sizes).values.ravel()


def _read_parquet(file: io.BytesIO) -> xr.Dataset:
    table = pq.read_table(file)
    facts = json.loads((table.schema.metadata or {})[_METADATA_KEY])
    sizes: dict[str, int] = facts["sizes"]
    if table.num_rows != math.prod(sizes.values()):
        raise ValueError(f"{table.num_rows} rows in place of {math.prod(sizes.values())}")
    variables = {name: _variable(table[name], about, sizes) for name, about in facts["variables"].items()}
    coordinates = {name for name, about in facts["variables"].items() if about["coordinate"]}
    return xr.Dataset(variables, attrs=facts["attributes"]).set_coords(coordinates)


def _variable(column: pa.ChunkedArray, about: dict[str, Any], sizes: dict[str, int]) -> xr.Variable:
    values = column.to_numpy()
    if values.dtype == object:
        values = values.astype(str)
    whole = xr.Variable(list(sizes), values.reshape([*sizes.values()]), about["attributes"])
    return whole.isel({dim: 0 for dim in sizes if dim not in about["dims"]}).transpose(*about["dims"])
