"""A bundle's manifest: what the model is, what it takes, what it was made from, and the checksums of its files."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from ..benchmark import FRAME_RATE
from ..data.windows import CUTS, Chunks, Cut
from ..errors import BundleError
from ..storage import is_file, read_bytes, sha256

MANIFEST = "manifest.json"
ONNX = "model.onnx"
WEIGHTS = "weights.safetensors"
MEMBERS = "members"
MEMBER_WEIGHTS = "member_weights.npz"
"""File of an ensemble whose weights differ between mice or neurons: by mouse, (members,) or (members, neurons)."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class MouseEntry(_Part):
    """A mouse that the model answers for; its neurons in the order of its answers.

    The means are those of its training trials, by channel, as recorded; None where the model came without them.
    """

    name: str
    unit_ids: tuple[int, ...]
    behavior_mean: tuple[float, ...] | None = None
    pupil_center_mean: tuple[float, ...] | None = None


class CutEntry(_Part):
    """How a clip is cut for the network: the name and settings of one of `data.windows.CUTS`."""

    kind: Literal["chunks", "overlapping", "blocks"]
    settings: dict[str, int]

    @classmethod
    def of(cls, cut: Cut) -> CutEntry:
        """Entry of a cut."""
        kind = next(name for name, known in CUTS.items() if isinstance(cut, known))
        return cls.model_validate({"kind": kind, "settings": asdict(cut)})

    def cut(self) -> Cut:
        """The same as the data's type.

        Raises
        ------
        BundleError : the settings are not those of that kind.
        """
        try:
            return CUTS[self.kind](**self.settings)
        except TypeError as error:
            raise BundleError(f"{self.kind} is not cut by {self.settings}", "cut", "export the bundle again") from error


class Parity(_Part):
    """How close the exported graph is to the torch network, measured on real clips when it was exported.

    `max_error` is the largest |exported - torch| over all clips, mice and lengths, in units of the largest
    |torch| answer; `lengths` are the numbers of frames that it was asked with.
    """

    max_error: float
    tolerance: float
    clips: tuple[str, ...]
    lengths: tuple[int, ...]


class Member(_Part):
    """A member of an ensemble: the bundle `members/<name>` and its weight.

    Where weights differ between mice or neurons (`MEMBER_WEIGHTS`), `weight` is their mean, to be read by people.
    """

    name: str
    weight: float


class Manifest(_Part):
    """Everything that a user of a bundle must know; where its neurons lie is told beside it (`anatomy.py`)."""

    format: Literal[2] = 2
    kind: Literal["model", "ensemble"]
    name: str
    architecture: str
    config: dict[str, Any]
    mice: tuple[MouseEntry, ...]
    frame_shape: tuple[int, int]
    rate: float = FRAME_RATE
    behavior_channels: int = 2
    inputs: Literal["recorded", "normalised"] = "recorded"
    """Units of what it takes: those of the data, or normalised beforehand, where the model came without statistics."""
    receptive_field: int = 1
    cut: CutEntry = CutEntry.of(Chunks())
    parity: Parity | None = None
    members: tuple[Member, ...] = ()
    files: dict[str, str]
    provenance: dict[str, Any]

    @property
    def neurons(self) -> tuple[tuple[str, tuple[int, ...]], ...]:
        """Mice and their unit ids: what two models must share to answer for the same neurons."""
        return tuple((mouse.name, mouse.unit_ids) for mouse in self.mice)

    @classmethod
    def read(cls, bundle: Path) -> Manifest:
        """Read a bundle's manifest.

        Raises
        ------
        BundleError : there is none, or it is not one of format 2.
        """
        path = bundle / MANIFEST
        try:
            return cls.model_validate_json(read_bytes(path))
        except (FileNotFoundError, NotADirectoryError) as error:
            mend = "name a folder that `sensorium export` or `sensorium ensemble` wrote"
            raise BundleError("is not a bundle: it has no manifest.json", str(bundle), mend) from error
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"]) or "the file"
            raise BundleError(f"{field}: {first['msg']}", str(path), "export the bundle again") from error

    def write(self, bundle: Path) -> None:
        """Write into a bundle that is being made."""
        (bundle / MANIFEST).write_text(self.model_dump_json(indent=1) + "\n")

    def verify(self, bundle: Path) -> None:
        """Compare every file with its checksum.

        Raises
        ------
        BundleError : a file is missing or differs.
        """
        for name in self.files:
            self.verify_file(bundle, name)

    def verify_file(self, bundle: Path, name: str) -> None:
        """Compare one of `files` with its checksum.

        Raises
        ------
        BundleError : it is missing or differs.
        """
        path = bundle / name
        if not is_file(path):
            raise BundleError("file is missing", str(path), "copy or export the bundle again")
        if sha256(path) != self.files[name]:
            raise BundleError("differs from the manifest's checksum", str(path), "copy or export the bundle again")


def bundle_checksum(bundle: Path) -> str:
    """Checksum that names a bundle in results: its manifest's, which holds the checksums of all its files."""
    return sha256(bundle / MANIFEST)


def checksums(bundle: Path) -> dict[str, str]:
    """Relative path and SHA-256 of every file in a bundle that is being made."""
    return {
        str(path.relative_to(bundle)): sha256(path)
        for path in sorted(bundle.rglob("*"))
        if path.is_file() and path != bundle / MANIFEST
    }


def bundle_paths(folder: Path) -> list[Path]:
    """Bundles directly in a folder, or the folder itself if it is one; their manifests are not read."""
    return [folder] if (folder / MANIFEST).is_file() else sorted(p.parent for p in folder.glob(f"*/{MANIFEST}"))


def find_bundles(folder: Path) -> dict[str, Path]:
    """Bundles directly in a folder, or the folder itself if it is one, by their manifests' names.

    Raises
    ------
    BundleError : there is none, or two share a name.
    """
    found: dict[str, Path] = {}
    for path in bundle_paths(folder):
        name = Manifest.read(path).name
        if name in found:
            raise BundleError(
                f"is named '{name}' like {found[name]}", str(path), "export one of them under another name"
            )
        found[name] = path
    if not found:
        raise BundleError("holds no bundle", str(folder), "make one with `sensorium export`")
    return found
