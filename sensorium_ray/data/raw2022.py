"""Published mice of Sensorium 2022: images, each a clip of one frame.

Layout and shapes: Willeke et al. 2022 (arXiv 2206.08666), the data set's description, which gives behaviour as
(1, channels), and the public starter kit's loader.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from ..benchmark import FRAME_SHAPE, SENSORIUM_2022
from ..errors import DataError
from .mouse import RawMouse, RawTrial, require_grey
from .npy import require_real

_ID_FILES = ("meta/trials/trial_idx.npy", "meta/trials/frame_image_id.npy")
_BLOCK = 4
"""Pixels of a published image along each side of one that the models see."""


class ImageMouse(RawMouse):
    """A mouse `static…-GrayImageNet-…`.

    Its behaviour or its pupil centre may be withheld altogether, and so may responses of the test tiers.
    """

    benchmark = SENSORIUM_2022
    stimulus = "images"
    optional = ("behavior", "pupil_center")

    def read(self, trial: int) -> RawTrial:
        """Read and check one trial, its image reduced by `reduce_image`.

        Raises
        ------
        DataError : as in `RawMouse.read`; there may be no NaN.
        """
        return RawTrial(
            self._image(trial)[None],
            self._values("responses", trial, self.neurons, "neurons"),
            self._values("behavior", trial, len(self.benchmark.behavior), "channels"),
            self._values("pupil_center", trial, 2, "channels"),
        )

    def published_ids(self, trial: int) -> tuple[str, str]:
        """`meta/trials/trial_idx` and `frame_image_id`, which a submission carries; hashes in competition mice."""
        names = (self._ids[name] for name in _ID_FILES)
        trial_id, image_id = (str(ids[trial]) if trial < len(ids) else "" for ids in names)
        return trial_id, image_id

    @cached_property
    def _ids(self) -> dict[str, np.ndarray]:
        return {name: self.tree.read(name) if self.tree.has(name) else np.empty(0) for name in _ID_FILES}

    def shape(self) -> tuple[int, int, int]:
        """Height and width of the first trial's image once reduced, and one frame."""
        height, width = self._image(self.trials[0]).shape
        return height, width, 1

    def _may_lack(self, field: str, trial: int) -> bool:
        withheld = field == "responses" and self.tiers[trial] in self.benchmark.test_tiers.values()
        return withheld or super()._may_lack(field, trial)

    def _image(self, trial: int) -> np.ndarray:
        """(height, width) float32."""
        where, image = self.where("images", trial), self._load("images", trial)
        if image.ndim == 3 and image.shape[0] != 1 and image.shape[-1] == 1:
            what = "axes look like (height, width, 1)"
            raise DataError(what, where, "published files are (1, height, width)")
        if image.size == 0 or image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[0] != 1):
            raise DataError(f"has shape {image.shape}", where, "give (1, height, width)")
        height, width = image.shape[-2:]
        if height > width:
            what = f"axes look like (1, width, height): {height}x{width} is higher than wide"
            raise DataError(what, where, "published files are (1, height, width)")
        reduced = (height, width) == FRAME_SHAPE
        if not reduced and (height % _BLOCK or width % _BLOCK):
            what = f"has {height}x{width} pixels, which cannot be reduced by {_BLOCK}"
            raise DataError(what, where, "give 144x256 or 36x64 pixels")
        _require_complete(image, where)
        require_grey(image, where)
        image = image.reshape(height, width)
        return (image if reduced else reduce_image(image)).astype(np.float32)

    def _values(self, field: str, trial: int, size: int, axis: str) -> np.ndarray:
        """(size, 1) float32; zeros where the file is missing and may be."""
        where = self.where(field, trial)
        if self._may_lack(field, trial) and not self._has(field, trial):
            return np.zeros((size, 1), np.float32)
        values = self._load(field, trial)
        if values.size != size or max(values.shape, default=1) != size:
            what = f"has shape {values.shape} instead of {size} {axis}"
            raise DataError(what, where, f"give ({axis},)")
        _require_complete(values, where)
        return values.reshape(size, 1).astype(np.float32)


def reduce_image(image: np.ndarray) -> np.ndarray:
    """The image as the models see it, a quarter as high and wide: the mean of the central 2×2 of every 4×4 block.

    That is what the 2022 starter kit's rescaling without a low-pass filter comes to, not the mean of the block.

    Parameters
    ----------
    image : (height, width), multiples of 4.

    Returns
    -------
    (height / 4, width / 4) float64
    """
    height, width = image.shape
    blocks = image.reshape(height // _BLOCK, _BLOCK, width // _BLOCK, _BLOCK)
    return np.asarray(blocks[:, 1:3, :, 1:3].mean(axis=(1, 3), dtype=np.float64))


def _require_complete(array: np.ndarray, where: str) -> None:
    require_real(array, where)
    if np.isnan(array).any():
        raise DataError("holds NaN", where, "mend the file or set the trial's tier to 'none'")
