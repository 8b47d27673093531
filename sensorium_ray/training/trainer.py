"""The one trainer: Poisson loss, AdamW, warm-up and cosine, a running average of the weights."""

from __future__ import annotations

import copy
import math
from collections.abc import Collection
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from ..data.loading import Batch, Draw, draw_windows, prefetch
from ..data.store import FrameStore
from ..data.windows import predict_clip
from ..errors import ConfigError, DataError
from ..metrics.statistics import CoMoments
from ..models import find
from ..models.population import Population
from ..storage import absolute
from ..version import package_version
from .checkpoint import Checkpoint
from .inference import torch_run
from .losses import poisson_loss


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSettings:
    """How to train.

    Parameters
    ----------
    epochs : epochs of the learning-rate schedule.
    steps : optimiser steps an epoch; each takes one batch of one mouse, the mice in turn.
    batch : windows a step.
    frames : answered frames of a training window, for networks without windows of their own; fewer where
        every trial is shorter.
    learning_rate, weight_decay : AdamW's; the rate warms up linearly over `warmup` epochs, then follows a
        cosine to a hundredth.
    average : decay a step of the running average of the weights, which is what is scored and kept.
    seed : of initialisation and of every draw.
    """

    epochs: int = 20
    steps: int = 100
    batch: int = 8
    frames: int = 64
    learning_rate: float = 3e-3
    weight_decay: float = 0.05
    warmup: float = 1.0
    average: float = 0.98
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.epochs, self.steps, self.batch, self.frames) < 1 or not 0 <= self.average < 1:
            raise ConfigError(f"{self} is impossible", "training", "counts are 1 or more, average is in 0..1")


@dataclass(frozen=True, slots=True)
class Epoch:
    """What an epoch came to: mean training loss and single-trial correlation on the oracle tier."""

    number: int
    loss: float
    oracle_correlation: float


class Trainer:
    """Trains one network on every mouse of a frame store, an epoch at a time.

    Every draw of an epoch comes from the seed and the epoch's number, so that going on from a checkpoint
    gives the same losses as never having stopped.
    """

    def __init__(self, store: FrameStore, architecture: str, config: dict[str, Any], settings: TrainSettings) -> None:
        torch.manual_seed(settings.seed)
        self._store = store
        self._architecture, self._config, self._settings = architecture, config, settings
        self._population = Population.from_store(store)
        self._trials = {mouse: store[mouse].select("train") for mouse in store.mice}
        for mouse, trials in self._trials.items():
            if not trials:
                raise DataError("has no trial of the train tier", mouse, "ingest the whole mouse folder")
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._encoder = find.build(architecture, config, self._population).to(self._device)
        self._average = copy.deepcopy(self._encoder).eval()
        self._optimizer = torch.optim.AdamW(
            self._encoder.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
        )
        self.epochs: list[Epoch] = []

    @property
    def finished(self) -> bool:
        """Whether the schedule has run out."""
        return len(self.epochs) >= self._settings.epochs

    def run_epoch(self) -> Epoch:
        """Train for one epoch and score the oracle tier."""
        number = len(self.epochs)
        rng = np.random.default_rng((self._settings.seed, number))
        torch.manual_seed(int(rng.integers(2**62)))
        self._encoder.train()
        steps, mice = self._settings.steps, self._store.mice
        turns = [mice[step % len(mice)] for step in range(steps)]
        with closing(prefetch(self._draw(mouse, rng) for mouse in turns)) as batches:
            losses = [
                self._step(mouse, number * steps + step, batch)
                for step, (mouse, batch) in enumerate(zip(turns, batches, strict=True))
            ]
        epoch = Epoch(number + 1, float(np.mean(losses)), self.oracle_correlation())
        self.epochs.append(epoch)
        return epoch

    def _draw(self, mouse: str, rng: np.random.Generator) -> Draw:
        frames, stride = self._window(mouse)
        return draw_windows(self._store[mouse], self._trials[mouse], self._settings.batch, frames, stride, rng)

    def _step(self, mouse: str, step: int, batch: Batch) -> float:
        encoder, settings = self._encoder, self._settings
        neurons = torch.tensor(self._population.neuron_range(mouse), device=self._device)
        mice = torch.full((settings.batch,), self._population.index(mouse), device=self._device)
        video, behavior, pupil, responses = (
            torch.from_numpy(array).to(self._device, non_blocking=True)
            for array in (batch.video, batch.behavior, batch.pupil_center, batch.responses)
        )
        recorded = responses / encoder.normaliser.response_scale[neurons][:, None]
        predicted = encoder.normalised_responses(video, behavior, pupil, mice, neurons)
        loss = poisson_loss(predicted, recorded[:, :, encoder.receptive_field - 1 :])
        if not torch.isfinite(loss):
            raise DataError("training diverged: the loss is not finite", self._architecture, "lower learning_rate")
        for group in self._optimizer.param_groups:
            group["lr"] = settings.learning_rate * self._rate(step)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(encoder.parameters(), 1.0)
        self._optimizer.step()
        self._follow(min(settings.average, (1 + step) / (10 + step)))
        return loss.item()

    def _window(self, mouse: str) -> tuple[int, int]:
        """Frames and stride of a training window, the past that the receptive field needs included."""
        if self._encoder.window:
            return self._encoder.window.frames, self._encoder.window.stride
        past = self._encoder.receptive_field - 1
        longest = max(trial.frames for trial in self._trials[mouse])
        return past + max(1, min(self._settings.frames, longest - past)), 1

    def _rate(self, step: int) -> float:
        """Factor of the learning rate: linear warm-up, then a cosine from 1 to 0.01."""
        warmup = self._settings.warmup * self._settings.steps
        if step < warmup:
            return (step + 1) / warmup
        through = (step - warmup) / max(1.0, self._settings.epochs * self._settings.steps - warmup)
        return 0.01 + 0.99 * (1 + math.cos(math.pi * through)) / 2

    @torch.no_grad()
    def _follow(self, decay: float) -> None:
        """Move the running average, buffers too, towards the network."""
        ours = self._average.state_dict()
        for name, value in self._encoder.state_dict().items():
            if value.is_floating_point():
                ours[name].lerp_(value, 1 - decay)
            else:
                ours[name].copy_(value)

    def oracle_correlation(self) -> float:
        """Single-trial correlation on the oracle tier: frames that count, mean over neurons of all mice."""
        self._average.eval()
        return float(np.mean(np.concatenate([self._mouse_correlation(mouse) for mouse in self._store.mice])))

    def _mouse_correlation(self, mouse: str) -> np.ndarray:
        data, rules, total = self._store[mouse], self._store.benchmark, None
        run = torch_run(self._average, self._population, mouse)
        for trial in data.select(rules.oracle):
            counted = rules.window.slice(trial.frames)
            predicted = predict_clip(run, data.clip(trial.trial), self._average.receptive_field, self._average.window)
            signals = np.stack([data.responses(trial.trial)[:, counted], predicted[:, counted]])
            moments = CoMoments.of(signals)
            total = moments if total is None else total.merge(moments)
        if total is None:
            raise DataError(f"has no trial of tier '{rules.oracle}'", mouse, "ingest the whole mouse folder")
        return total.correlation(0, 1)

    def checkpoint(self) -> Checkpoint:
        """State after the last finished epoch."""
        return Checkpoint(
            architecture=self._architecture,
            config=self._config,
            population=self._population,
            weights={name: value.cpu() for name, value in self._average.state_dict().items()},
            provenance={
                **self._origin(),
                "store": absolute(self._store.path),
                "epoch": len(self.epochs),
                "oracle_correlation": self.epochs[-1].oracle_correlation if self.epochs else None,
            },
            resume={
                "encoder": self._encoder.state_dict(),
                "optimizer": self._optimizer.state_dict(),
                "epochs": [asdict(epoch) for epoch in self.epochs],
            },
        )

    def _origin(self) -> dict[str, Any]:
        """What a checkpoint must share with this training for it to go on from there."""
        return {
            "version": package_version(),
            "data_checksum": self._store.checksum,
            "training": asdict(self._settings),
        }

    def resume(self, checkpoint: Checkpoint, free: Collection[str] = ()) -> None:
        """Go on from a checkpoint of the same store, architecture and settings.

        Parameters
        ----------
        free : settings that may differ, of learning_rate and weight_decay; from now on they are this training's.

        Raises
        ------
        ConfigError : it was made from others.
        """
        origin = self._origin()
        freed = {name: origin["training"][name] for name in free}
        theirs = {**checkpoint.provenance, "training": {**checkpoint.provenance["training"], **freed}}
        for name, ours in origin.items():
            if theirs[name] != ours:
                raise ConfigError(
                    f"the checkpoint's {name} differs",
                    "",
                    "train anew, or use what the checkpoint was made with",
                )
        self._encoder.load_state_dict(checkpoint.resume["encoder"])
        self._average.load_state_dict(checkpoint.weights)
        self._optimizer.load_state_dict(checkpoint.resume["optimizer"])
        for group in self._optimizer.param_groups:
            group["weight_decay"] = self._settings.weight_decay
        self.epochs = [Epoch(**epoch) for epoch in checkpoint.resume["epochs"]]
