"""A training checkpoint: a folder with the network's weights and all that is needed to go on or to export."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save_file

from ..errors import BundleError, SensoriumError
from ..models import find
from ..models.encoder import Encoder
from ..models.population import Population
from ..storage import atomic_path, read_bytes, read_json, read_npz, remove, write_json, write_npz

_FORMAT = 2


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What training leaves.

    Parameters
    ----------
    architecture, config : the network's name and its configuration as plain values.
    population : the mice that it answers for.
    weights : state of the network to use: the running average's after the best epoch.
    provenance : version, data checksum, settings, the best epoch and its scores.
    resume : state that training goes on from, after the last epoch: the network's, its average's, the optimiser's, the
        epochs so far.
    """

    architecture: str
    config: dict[str, Any]
    population: Population
    weights: dict[str, torch.Tensor]
    provenance: dict[str, Any]
    resume: dict[str, Any] = field(default_factory=dict)

    def encoder(self) -> Encoder:
        """Network with the weights in it."""
        encoder = find.build(self.architecture, self.config, self.population)
        encoder.load_state_dict(self.weights)
        return encoder

    def write(self, folder: Path) -> None:
        """Write into a folder; what training left there before is whole until this is.

        `checkpoint.json` names the files and comes last.
        """
        folder.mkdir(parents=True, exist_ok=True)
        epoch = len(self.resume.get("epochs", ()))
        files = {"weights": f"weights-{epoch}.safetensors", "resume": f"resume-{epoch}.pt"}
        with atomic_path(folder / files["weights"]) as partial:
            save_file({name: tensor.contiguous() for name, tensor in self.weights.items()}, partial)
        with atomic_path(folder / files["resume"]) as partial:
            torch.save(self.resume, partial)
        write_npz(folder / "population.npz", self.population.to_arrays())
        about = {"format": _FORMAT, "architecture": self.architecture, "config": self.config, "files": files}
        write_json(folder / "checkpoint.json", {**about, "provenance": self.provenance})
        for old in (*folder.glob("weights-*"), *folder.glob("resume-*")):
            if old.name not in files.values():
                remove(old)

    @classmethod
    def read(cls, folder: Path) -> Checkpoint:
        """Read a checkpoint, on a disk or s3://; nothing in it is unpickled beyond tensors and plain values.

        Raises
        ------
        BundleError : the folder holds no whole checkpoint.
        """
        try:
            about = read_json(folder / "checkpoint.json")
            weights, resume = (read_bytes(folder / about["files"][name]) for name in ("weights", "resume"))
            return cls(
                architecture=about["architecture"],
                config=about["config"],
                population=Population.from_arrays(read_npz(folder / "population.npz")),
                weights=load(weights),
                provenance=about["provenance"],
                resume=torch.load(io.BytesIO(resume), map_location="cpu", weights_only=True),
            )
        except (SensoriumError, SafetensorError, OSError, KeyError, RuntimeError, ValueError) as error:
            mend = "name a checkpoint folder, such as SWEEP/best/dwiseneuro"
            raise BundleError(f"is not a whole checkpoint ({error})", str(folder), mend) from error
