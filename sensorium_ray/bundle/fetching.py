"""Bundles on s3://: brought to this machine to be opened."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .. import cache, storage
from ..errors import BundleError
from .manifest import MANIFEST, Manifest


@contextmanager
def on_disk(bundle: Path) -> Iterator[Path]:
    """Folder of a bundle on this machine's disk: its own, or for one on s3:// a copy while the block lasts.

    Its files come through the cache, where they stay (see `cache.local`).

    Raises
    ------
    BundleError : there is no bundle, or a file of it is missing.
    DataError : the bucket refuses, or a file is not what the manifest says.
    """
    if not storage.is_remote(bundle):
        yield bundle
        return
    with tempfile.TemporaryDirectory(prefix="bundle-") as name:
        folder = Path(name)
        for file, checksum in Manifest.read(bundle).files.items():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            try:
                shutil.copyfile(cache.local(bundle / file, checksum), folder / file)
            except FileNotFoundError as error:
                mend = "copy or export the bundle again"
                raise BundleError("file is missing", str(bundle / file), mend) from error
        (folder / MANIFEST).write_bytes(storage.read_bytes(bundle / MANIFEST))
        yield folder
