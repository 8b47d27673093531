"""How to train."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from ..errors import ConfigError
from ..settings import suggestion

Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSettings:
    """How to train; docs/training.md says where each piece comes from.

    Parameters
    ----------
    epochs : epochs of the learning-rate schedule.
    steps : optimiser steps an epoch.
    batch : windows a step, shared evenly among its mice.
    mice : mice a step, in turn; their windows go through the core together. 1: a step is of one mouse; as many as
        there are: every step is of all.
    micro_batch : windows that go through the network at once; gradients are summed over a batch, batch normalisation
        sees a micro-batch. None: the whole batch.
    frames : answered frames of a training window, for networks without windows of their own; fewer where
        every trial is shorter.
    learning_rate, weight_decay : AdamW's; the rate warms up linearly over `warmup` epochs, then follows a
        cosine to a hundredth.
    clip_norm : largest norm of a step's gradient (Pascanu et al. 2013); 0: any.
    average : decay a step of the running average of the weights, which is what is scored and kept.
    cutmix : probability that part of a window is another's (see `cutmix`).
    distil : share of the loss that teachers' answers have, where there are teachers (see `distillation`).
    patience : epochs without a better score after which training ends; 0: none.
    fold, folds : the train tier's videos are parted into `folds`, of which number `fold`, from 1 on, is left out and
        scored instead of being trained on (see `folds`); 0: none is.
    precision : 'bfloat16' computes the network, though not its loss and weights, in half the bits.
    compile : compile the core with torch.compile.
    seed : of initialisation and of every draw.
    """

    epochs: int = 20
    steps: int = 100
    batch: int = 8
    mice: int = 1
    micro_batch: int | None = None
    frames: int = 64
    learning_rate: float = 3e-3
    weight_decay: float = 0.05
    warmup: float = 1.0
    clip_norm: float = 1.0
    average: float = 0.98
    cutmix: float = 0.0
    distil: float = 0.36
    patience: int = 0
    fold: int = 0
    folds: int = 7
    precision: Precision = "float32"
    compile: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        counts = ("epochs", "steps", "batch", "mice", "frames", *(["micro_batch"] if self.micro_batch else []))
        for name in counts:
            _require(getattr(self, name) >= 1, name, getattr(self, name), "give 1 or more")
        for name in ("learning_rate", "weight_decay", "warmup", "clip_norm", "patience", "seed"):
            _require(getattr(self, name) >= 0, name, getattr(self, name), "give 0 or more")
        for name, below in (("average", 1), ("distil", 1)):
            _require(0 <= getattr(self, name) < below, name, getattr(self, name), "give 0 or more, and less than 1")
        _require(self.micro_batch != 0, "micro_batch", 0, "give 1 or more, or leave it out")
        _require(0 <= self.cutmix <= 1, "cutmix", self.cutmix, "give a probability")
        _require(self.folds >= 2, "folds", self.folds, "give 2 or more")
        _require(0 <= self.fold <= self.folds, "fold", self.fold, f"give 1..{self.folds}, or 0 to leave none out")
        known = ", ".join(get_args(Precision))
        _require(self.precision in get_args(Precision), "precision", self.precision, f"known: {known}")

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> TrainSettings:
        """Settings from plain values, e.g. of a JSON file.

        Raises
        ------
        ConfigError : one is unknown, naming the nearest, or is out of range or no number.
        """
        known = [field.name for field in fields(cls)]
        for name in values:
            if name not in known:
                raise ConfigError(f"has no setting '{name}'", "training", suggestion(name, known))
        try:
            return cls(**values)
        except TypeError as error:
            raise ConfigError(f"has a value of the wrong kind ({error})", "training", "give numbers") from error


def _require(possible: bool, name: str, value: Any, mend: str) -> None:
    if not possible:
        raise ConfigError(f"is {value}", f"training: {name}", mend)
