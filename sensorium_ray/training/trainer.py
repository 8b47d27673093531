"""The one trainer: an epoch at a time, on every mouse of a frame store."""

from __future__ import annotations

import copy
import math
import sys
from collections.abc import Callable, Collection, Sequence
from contextlib import closing
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..data.loading import prefetch
from ..data.store import FrameStore
from ..data.windows import Chunks, Overlapping
from ..errors import ConfigError, DataError
from ..models import find
from ..models.normalisation import PUBLISHED
from ..models.population import Population
from ..storage import absolute
from ..version import package_version
from . import schedule, sharing
from .checkpoint import Checkpoint
from .distillation import Teachers
from .draws import MixedBatch, MouseDraw, StepDraw, windows_by_mouse
from .epochs import Epoch, are_enough, best_of
from .evaluation import correlation
from .failures import is_of_compiler, is_out_of_memory
from .settings import TrainSettings
from .split import Split
from .step import StepLoss
from .trained import Trained


class Trainer:
    """Trains one network on every mouse of a frame store, an epoch at a time.

    Every draw of an epoch comes from the seed and the epoch's number, so that going on from a checkpoint
    gives the same losses as never having stopped. What is kept is the running average of the weights, as it was
    after the best epoch.

    Parameters
    ----------
    start : weights to begin with; see `Trained.transfer`.
    teachers : networks to learn from; see `distillation`.
    device : None: a GPU where there is one.

    Raises
    ------
    ConfigError : the architecture, a setting of its, or what these settings ask for does not exist here.
    DataError : a mouse has no trial to train on or to score.
    """

    def __init__(
        self,
        store: FrameStore,
        architecture: str,
        config: dict[str, Any],
        settings: TrainSettings,
        *,
        start: Trained | None = None,
        teachers: Sequence[Trained] = (),
        device: torch.device | None = None,
    ) -> None:
        torch.manual_seed(settings.seed)
        self._store = store
        self._architecture, self._config, self._settings = architecture, config, settings
        self._device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
        _require_precision(settings, self._device)
        self._typed_config = find.make_config(architecture, config)
        self._population = Population.from_store(store, PUBLISHED.get(self._typed_config.normalisation, ()))
        self._split = Split.of(store, settings)
        self._encoder = find.build(architecture, config, self._population)
        if start is not None:
            start.transfer(self._encoder, self._population)
        self._encoder.to(self._device)
        self._average = copy.deepcopy(self._encoder).eval()
        self._best = _on_cpu(self._average)
        taught = Teachers(teachers, store, self._encoder, self._device) if teachers else None
        self._loss = StepLoss(self._population, settings.precision, taught, settings.distil)
        self._frames, self._stride = self._window(taught)
        self._made_from = {
            "start": start and {"path": start.path, "checksum": start.checksum},
            "teachers": [teacher.checksum for teacher in teachers],
        }
        if settings.compile:
            self._encoder.core.compile()
        self._optimizer = torch.optim.AdamW(
            self._encoder.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
        )
        self._micro_batch, self._halved = settings.micro_batch, False
        self.epochs: list[Epoch] = []

    @property
    def best(self) -> Epoch | None:
        """The epoch whose weights are kept."""
        return best_of(self.epochs)

    @property
    def finished(self) -> bool:
        """Whether training is over."""
        return are_enough(self.epochs, self._settings)

    def run_epoch(self, on_step: Callable[[float], None] = lambda loss: None) -> Epoch:
        """Train for one epoch and score it.

        Parameters
        ----------
        on_step : called with the loss of each step.

        Raises
        ------
        DataError : the loss, its gradient or the score is not finite.
        ConfigError : memory ran out although the micro-batch had been halved.
        """
        settings, number = self._settings, len(self.epochs)
        rng = np.random.default_rng((settings.seed, number))
        torch.manual_seed(int(rng.integers(2**62)) + sharing.worker())
        self._encoder.train()
        steps = range(number * settings.steps, (number + 1) * settings.steps)
        losses = []
        with closing(prefetch(self.draw(step, rng) for step in steps)) as batches:
            for step, batch in zip(steps, batches, strict=True):
                losses.append(self.step(step, batch))
                on_step(losses[-1])
        epoch = Epoch(number + 1, float(np.mean(losses)), *self._scores())
        self._require_finite("the score", epoch.score)
        self.epochs.append(epoch)
        if epoch is self.best:
            self._best = _on_cpu(self._average)
        return epoch

    def step(self, step: int, batch: MixedBatch) -> float:
        """One optimiser step.

        Parameters
        ----------
        step : its number, counted through all epochs.
        batch : windows by mouse; of several workers, this one's share.

        Returns
        -------
        The step's loss.
        """
        settings, parameters = self._settings, list(self._encoder.parameters())
        loss = self._gradient(step, batch)
        self._require_finite("the loss", loss)
        norm = nn.utils.clip_grad_norm_(parameters, settings.clip_norm or math.inf)
        self._require_finite("the gradient", float(norm))
        for group in self._optimizer.param_groups:
            group["lr"] = schedule.learning_rate(settings, step)
        self._optimizer.step()
        schedule.follow(self._average, self._encoder, settings.average, step)
        return loss

    def draw(self, step: int, rng: np.random.Generator) -> StepDraw:
        """Windows of a step, drawn with `rng` and not read yet; of several workers, this one's share."""
        window = (self._frames, self._stride, self._settings.cutmix)
        draws = {
            mouse: MouseDraw.at_random(self._store[mouse], self._split.train[mouse], windows, *window, rng)
            for mouse, windows in self._windows(step).items()
        }
        return StepDraw(draws).share(sharing.worker(), sharing.workers())

    def _gradient(self, step: int, batch: MixedBatch) -> float:
        """Gradient of the whole step, all workers' windows; gives its loss. Short of memory, in smaller parts."""
        windows = self._windows(step)
        while True:
            self._optimizer.zero_grad(set_to_none=True)
            loss, short = 0.0, False
            try:
                loss = self._loss.add_gradient(self._encoder, batch, windows, self._micro_batch)
            except RuntimeError as error:
                if is_of_compiler(error):
                    first = str(error).strip().splitlines()[0]
                    raise ConfigError(f"does not work here ({first})", "torch.compile", "leave it out") from error
                if not is_out_of_memory(error):
                    raise
                short = True
            if not sharing.total(short, self._device):
                break
            self._halve(sum(len(part.video) for part in batch.values()))
        sharing.add_up_gradients(self._encoder)
        return sharing.total(loss, self._device)

    def _halve(self, windows: int) -> None:
        now = self._micro_batch or windows
        if self._halved or now == 1:
            what = f"out of memory with {now} windows at once"
            raise ConfigError(what, self._architecture, "lower micro_batch or frames, or choose a smaller network")
        self._micro_batch, self._halved = -(-now // 2), True
        torch.cuda.empty_cache()
        said = f"{self._architecture}: out of memory with {now} windows at once, going on with {self._micro_batch}"
        print(said, file=sys.stderr, flush=True)

    def _require_finite(self, name: str, value: float) -> None:
        if not math.isfinite(value):
            raise DataError(f"training diverged: {name} is not finite", self._architecture, "lower learning_rate")

    def _windows(self, step: int) -> dict[str, int]:
        return windows_by_mouse(self._store.mice, step, self._settings.mice, self._settings.batch)

    def _window(self, teachers: Teachers | None) -> tuple[int, int]:
        """Frames and stride of a training window, the past that the receptive field needs included."""
        cut = self._encoder.cut
        if not isinstance(cut, Chunks):
            return cut.frames, cut.stride if isinstance(cut, Overlapping) else 1
        past = max(self._encoder.receptive_field, teachers.receptive_field if teachers else 1) - 1
        longest = min(max(trial.frames for trial in trials) for trials in self._split.train.values())
        return past + max(1, min(self._settings.frames, longest - past)), 1

    def _scores(self) -> list[float]:
        """Correlation on the oracle tier, and on the fold that is left out; worker 0 tells the others."""
        scored = [trials for trials in (self._split.oracle, self._split.left_out) if trials]
        mine = sharing.worker() == 0
        found = [correlation(self._average, self._population, self._store, t) if mine else 0.0 for t in scored]
        return [sharing.total(score, self._device) for score in found]

    def checkpoint(self) -> Checkpoint:
        """State after the last finished epoch, and the weights of the best one."""
        best = self.best
        return Checkpoint(
            architecture=self._architecture,
            config=self._config,
            population=self._population,
            weights=self._best,
            provenance={
                **self._origin(),
                "start": self._made_from["start"],
                "store": absolute(self._store.path),
                "micro_batch": self._micro_batch,
                "epoch": best.number if best else 0,
                "oracle_correlation": best.oracle_correlation if best else None,
                "fold_correlation": best.fold_correlation if best else None,
            },
            resume={
                "encoder": self._encoder.state_dict(),
                "average": self._average.state_dict(),
                "optimizer": self._optimizer.state_dict(),
                "micro_batch": self._micro_batch,
                "halved": self._halved,
                "epochs": [asdict(epoch) for epoch in self.epochs],
            },
        )

    def _origin(self) -> dict[str, Any]:
        """What a checkpoint must share with this training for it to go on from there."""
        return {
            "version": package_version(),
            "data_checksum": self._store.checksum,
            "training": asdict(self._settings),
            "teachers": self._made_from["teachers"],
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
        differs = [name for name, ours in origin.items() if theirs[name] != ours]
        if checkpoint.architecture != self._architecture:
            differs.append("architecture")
        elif find.make_config(checkpoint.architecture, checkpoint.config) != self._typed_config:
            differs.append("config")
        if differs:
            what = f"the checkpoint's {differs[0]} differs"
            raise ConfigError(what, "", "train anew, or use what the checkpoint was made with")
        resume = checkpoint.resume
        self._encoder.load_state_dict(resume["encoder"])
        self._average.load_state_dict(resume["average"])
        self._best = dict(checkpoint.weights)
        self._optimizer.load_state_dict(resume["optimizer"])
        for group in self._optimizer.param_groups:
            group["weight_decay"] = self._settings.weight_decay
        self._micro_batch, self._halved = resume["micro_batch"], resume["halved"]
        self.epochs = [Epoch(**epoch) for epoch in resume["epochs"]]


def _require_precision(settings: TrainSettings, device: torch.device) -> None:
    if settings.precision == "bfloat16" and device.type == "cuda" and not torch.cuda.is_bf16_supported():
        name = torch.cuda.get_device_name(device)
        raise ConfigError(f"{name} does not compute with bfloat16", "precision", "choose float32")


def _on_cpu(network: nn.Module) -> dict[str, Tensor]:
    """A copy of a network's state."""
    return {name: value.detach().cpu().clone() for name, value in network.state_dict().items()}
