"""Training steps per second: the trainer against a plain rewrite of the 2023 winner's step.

    python benchmarks/training.py
    python benchmarks/training.py --batch 4 --rounds 5 --json training.json
    python benchmarks/training.py --batch 32 --steps 20 --precision bfloat16 --compile --peak 989    # an H100

DwiseNeuro at its published size, two mice of 7,863 and 7,908 neurons, on a GPU where there is one. A batch is windows
of 16 frames of one mouse, the mice in turn, from a small simulated store that is made for the run; all contestants
take the same ones, read before the clock starts. Contestants:

plain : from the published description as one would write it at first: 3D convolutions, batch norms and 1x1x1 gates on
    contiguous tensors, the encoding's table kept, inputs stacked beforehand, every mouse's readout run (the winner's
    batches mix mice), Poisson loss, AdamW and, tensor by tensor, the running average of the weights.
kept : the same in a process that keeps the memory it frees, as ours does (`training.memory`); on a CPU only.
ours : `Trainer.step`, which also clips the gradient.

All start from the same weights, compute in the same precision and draw the same random numbers. A turn is a process of
its own, and they take turns, one at a time: four steps to begin with, two of each mouse, then `--steps` with the clock
running. The run ends unless the losses of the first two agree, before the first update and after it (later they part:
only ours clips): to 1e-5, or to 2 % where a GPU or bfloat16 rounds more. Figures are medians over the rounds, least
and most in brackets; CPU seconds are those of all threads. Memory is the process's peak, on a GPU that of its tensors
there. With --compile, both compile what they can: ours the core, as `TrainSettings.compile` does, theirs the network.

Floating-point operations are those of ours, forward and backward, as torch counts them (convolutions and matrix
products). With --peak, the device's peak in TFLOP/s from its data sheet, the share of it that is reached is told too.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, replace
from itertools import pairwise
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import get_args

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from measuring import Figures, operations, peak_mib, wait
from processes import measure
from sensorium_ray.data.ingest import ingest
from sensorium_ray.data.loading import Batch, sample_windows
from sensorium_ray.data.simulate import SCALES, simulate
from sensorium_ray.data.store import FrameStore
from sensorium_ray.models import find
from sensorium_ray.models.population import Population
from sensorium_ray.training.memory import keep_freed_memory
from sensorium_ray.training.settings import Precision, TrainSettings
from sensorium_ray.training.trainer import Trainer

NEURONS = (7863, 7908)
FEATURES, STRIDES, EXPANSION = (64, 64, 64, 64, 128, 128, 128, 256, 256), (2, 1, 1, 1, 2, 1, 1, 2, 1), 7
CORTEX = (1024, 2048, 4096)
DROPOUT, DROP_PATH, BETA = 0.4, 0.1, 0.07
FRAMES, STRIDE, SIZE = 16, 2, 64
RATE, DECAY, AVERAGE = 1e-4, 0.05, 0.999
CONTESTANTS = ("plain", "kept", "ours")


class Encoding(nn.Module):
    """Adds sines and cosines of the place."""

    table: Tensor

    def __init__(self, channels: int, height: int) -> None:
        super().__init__()
        width = 2 * math.ceil(channels / 6)
        frequency = 10000.0 ** (-torch.arange(0, width, 2).float() / width)
        shape = (FRAMES, height, height)
        parts = []
        for axis, size in enumerate(shape):
            phase = frequency[:, None] * torch.arange(size)
            waves = torch.cat([phase.sin(), phase.cos()])
            view = [1, 1, 1]
            view[axis] = size
            parts.append(waves.view(-1, *view).expand(-1, *shape))
        self.register_buffer("table", torch.cat(parts)[:channels].clone(), persistent=False)

    def forward(self, inputs: Tensor) -> Tensor:
        """Same shape."""
        return inputs + self.table


class Gate(nn.Module):
    """Squeeze and excite by 1x1x1 convolutions."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.reduce = nn.Conv3d(channels, channels // 32, 1)
        self.expand = nn.Conv3d(channels // 32, channels, 1)

    def forward(self, inputs: Tensor) -> Tensor:
        """Same shape."""
        return inputs * torch.sigmoid(self.expand(F.silu(self.reduce(inputs.mean((2, 3, 4), keepdim=True)))))


class DropBranch(nn.Module):
    """Drops the branch of whole samples."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.keep = 1 - probability

    def forward(self, inputs: Tensor) -> Tensor:
        """Same shape."""
        if self.keep == 1:
            return inputs
        shape = (len(inputs), *[1] * (inputs.ndim - 1))
        return inputs * (torch.rand(shape, device=inputs.device) < self.keep) / self.keep


class Block(nn.Module):
    """Inverted residual; its parts are named as the product's, so that weights go over by name."""

    def __init__(self, inputs: int, outputs: int, stride: int, height: int, drop: float) -> None:
        super().__init__()
        middle = inputs * EXPANSION
        self.stride, self.outputs = stride, outputs
        self.encoding = Encoding(inputs, height)
        self.widen = nn.Conv3d(inputs, middle, 1, bias=False)
        self.space = nn.Conv3d(
            middle, middle, (1, 3, 3), (1, stride, stride), padding=(0, 1, 1), groups=middle, bias=False
        )
        self.time = nn.Conv3d(middle, middle, (5, 1, 1), padding=(2, 0, 0), groups=middle, bias=False)
        self.narrow = nn.Conv3d(middle, outputs, 1, bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm3d(width) for width in (middle, middle, middle, outputs))
        self.gate = Gate(middle)
        self.drop_path = DropBranch(drop)
        self.shortcut_norm = nn.BatchNorm3d(outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        """(batch, inputs, frames, h, w) -> (batch, outputs, frames, h / stride, w / stride)."""
        inputs = self.encoding(inputs)
        features = F.silu(self.norms[0](self.widen(inputs)))
        features = F.silu(self.norms[1](self.space(features)))
        features = F.silu(self.norms[2](self.time(features)))
        features = self.norms[3](self.narrow(self.gate(features)))
        if self.stride > 1:
            height = math.ceil(inputs.shape[3] / self.stride)
            inputs = F.interpolate(inputs, size=(FRAMES, height, height), mode="nearest")
        return self.drop_path(features) + self.shortcut_norm(_tile(inputs, self.outputs))


class Layer(nn.Module):
    """Grouped linear map of the cortex, shuffled."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(inputs, outputs, 1, groups=2, bias=False)
        self.norm = nn.BatchNorm1d(outputs)
        self.drop_path = DropBranch(DROP_PATH)
        self.shortcut_norm = nn.BatchNorm1d(outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        """(batch, inputs, frames) -> (batch, outputs, frames)."""
        features = F.silu(self.norm(self.conv(inputs)))
        batch, channels, frames = features.shape
        features = features.view(batch, 2, channels // 2, frames).transpose(1, 2).reshape(batch, channels, frames)
        return self.drop_path(features) + self.shortcut_norm(_tile(inputs, channels))


class Core(nn.Module):
    """Stem and blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv3d(5, FEATURES[0], 1, bias=False)
        self.stem_norm = nn.BatchNorm3d(FEATURES[0])
        self.blocks = nn.ModuleList()
        height = SIZE
        for place, (widths, stride) in enumerate(zip(pairwise((*FEATURES, FEATURES[-1])), STRIDES, strict=True)):
            self.blocks.append(Block(*widths, stride, height, DROP_PATH * place / len(FEATURES)))
            height = math.ceil(height / stride)

    def forward(self, inputs: Tensor) -> Tensor:
        """(batch, 5, frames, 64, 64) -> (batch, features, frames)."""
        features = self.stem_norm(self.stem(inputs))
        for block in self.blocks:
            features = block(features)
        return features.mean((3, 4))


class Network(nn.Module):
    """Core, cortex and one readout a mouse."""

    def __init__(self) -> None:
        super().__init__()
        self.core = Core()
        self.cortex = nn.Sequential(*(Layer(*widths) for widths in pairwise((FEATURES[-1], *CORTEX))))
        self.dropout = nn.Dropout1d(DROPOUT)
        self.readouts = nn.ModuleList(nn.Conv1d(CORTEX[-1], count + count % 2, 1, groups=2) for count in NEURONS)

    def forward(self, inputs: Tensor) -> list[Tensor]:
        """(batch, 5, frames, 64, 64) -> (batch, neurons, frames) of each mouse."""
        features = self.dropout(self.cortex(self.core(inputs)))
        return [
            F.softplus(readout(features)[:, :count], beta=BETA)
            for readout, count in zip(self.readouts, NEURONS, strict=True)
        ]

    def load(self, weights: dict[str, Tensor]) -> None:
        """Take the product's weights."""
        state = self.state_dict()
        for name, value in weights.items():
            theirs = name.removeprefix("core.")
            if theirs in state:
                state[theirs] = value.reshape(state[theirs].shape)
        for part in ("weight", "bias"):
            for place, values in enumerate(weights[f"readout.{part}"].split(NEURONS)):
                name = f"readouts.{place}.{part}"
                padded = F.pad(values, (0, 0) * (values.ndim - 1) + (0, len(state[name]) - len(values)))
                state[name] = padded.reshape(state[name].shape)
        self.load_state_dict(state)


def _tile(inputs: Tensor, channels: int) -> Tensor:
    return inputs.repeat(1, math.ceil(channels / inputs.shape[1]), *[1] * (inputs.ndim - 2))[:, :channels]


class Plain:
    """The winner's step."""

    def __init__(self, weights: dict[str, Tensor], settings: TrainSettings, batches: Sequence[Batch]) -> None:
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._half = settings.precision == "bfloat16"
        self._network = Network()
        self._network.load(weights)
        self._network.to(self._device)
        self._average = copy.deepcopy(self._network)
        if settings.compile:
            self._network.compile()
        self._optimizer = torch.optim.AdamW(self._network.parameters(), lr=RATE, weight_decay=DECAY)
        self._batches = [(_stack(batch), torch.from_numpy(batch.responses)) for batch in batches]

    def step(self, number: int) -> float:
        """Loss, averaged as ours is."""
        place = number % len(self._batches)
        inputs, responses = (tensor.to(self._device) for tensor in self._batches[place])
        self._optimizer.zero_grad()
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._half):
            predicted = self._network(inputs)[place].float()
        recorded = F.relu(responses)
        loss = (predicted - recorded * torch.log(predicted + 1e-8)).sum() / len(responses)
        loss.backward()
        self._optimizer.step()
        with torch.no_grad():
            pairs = zip(self._average.state_dict().values(), self._network.state_dict().values(), strict=True)
            for average, value in pairs:
                average.copy_(AVERAGE * average + (1 - AVERAGE) * value)
        return loss.item() * len(responses) / responses.numel()


def _stack(batch: Batch) -> Tensor:
    """(batch, 5, frames, 64, 64): the video in the middle, then behaviour and pupil centre as planes."""
    video = torch.from_numpy(batch.video)
    rows, columns = (SIZE - size for size in video.shape[2:])
    video = F.pad(video, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))
    behavior = torch.cat([torch.from_numpy(batch.behavior), torch.from_numpy(batch.pupil_center)], dim=1)
    planes = behavior[..., None, None].expand(-1, -1, -1, SIZE, SIZE)
    return torch.cat([video[:, None], planes], dim=1).contiguous()


class Ours:
    """The trainer's step."""

    def __init__(self, store: FrameStore, settings: TrainSettings, batches: Sequence[Batch]) -> None:
        self._trainer = Trainer(store, "dwiseneuro", {}, settings)
        self._mice, self._batches = store.mice, batches

    def step(self, number: int) -> float:
        """Loss."""
        place = number % len(self._batches)
        return self._trainer.step(number, {self._mice[place]: self._batches[place]})


def _contestant(name: str, store: FrameStore, settings: TrainSettings) -> Plain | Ours:
    rng = np.random.default_rng(0)
    mice = [store[name] for name in store.mice]
    batches = [sample_windows(mouse, mouse.select("train"), settings.batch, FRAMES, STRIDE, rng) for mouse in mice]
    if name in ("ours", "kept"):
        keep_freed_memory()
    if name == "ours":
        return Ours(store, settings, batches)
    torch.manual_seed(settings.seed)
    return Plain(find.build("dwiseneuro", {}, Population.from_store(store)).state_dict(), settings, batches)


def _turn(name: str, store: Path, settings: TrainSettings, steps: int, answer: Connection) -> None:
    contestant = _contestant(name, FrameStore.open(store), settings)
    torch.manual_seed(0)
    found: Figures = {"losses": [contestant.step(number) for number in range(2 * len(NEURONS))]}
    wait()
    began, worked = perf_counter(), process_time()
    for number in range(steps):
        contestant.step(number)
    wait()
    found |= {"seconds": (perf_counter() - began) / steps, "cpu_seconds": (process_time() - worked) / steps}
    answer.send(found | {"peak_mib": peak_mib()})


def _count(store: Path, settings: TrainSettings, answer: Connection) -> None:
    """Floating-point operations of a step of ours, which cannot be seen in what is compiled."""
    contestant = _contestant("ours", FrameStore.open(store), replace(settings, compile=False))
    answer.send(operations(lambda: contestant.step(0)))


def _run(store: Path, settings: TrainSettings, rounds: int, steps: int) -> dict[str, list[Figures]]:
    names = [name for name in CONTESTANTS if name != "kept" or not torch.cuda.is_available()]
    found: dict[str, list[Figures]] = {name: [] for name in names}
    exact = settings.precision == "float32" and not torch.cuda.is_available()
    for number in range(1, rounds + 1):
        for name, turns in found.items():
            turns.append(measure(_turn, name, store, settings, steps))
            spent = ", ".join(f"{key} {turns[-1][key]:.3f}" for key in ("seconds", "cpu_seconds"))
            print(f"round {number} of {rounds}, {name}: {spent} a step", file=sys.stderr, flush=True)
            first = [each["losses"][: len(NEURONS)] for each in (turns[-1], found["plain"][0])]
            np.testing.assert_allclose(*first, rtol=1e-5 if exact else 0.02)
    return found


def _print(found: dict[str, list[Figures]], flop: int, peak: float | None) -> None:
    print(f"\n{'':<6}{'seconds a step':>24}{'steps/s':>9}{'':>8}{'CPU seconds a step':>24}{'':>8}{'peak MiB':>10}")
    for name, turns in found.items():
        line = f"{name:<6}"
        for key in ("seconds", "cpu_seconds"):
            values, base = [turn[key] for turn in turns], median(turn[key] for turn in found["plain"])
            line += f"{f'{median(values):.3f} ({min(values):.3f}..{max(values):.3f})':>24}"
            line += f"{1 / median(values):>9.3f}" if key == "seconds" else ""
            line += f"{base / median(values):>7.2f}x"
        print(f"{line}{median(turn['peak_mib'] for turn in turns):>10.0f}")
    rate = flop / median(turn["seconds"] for turn in found["ours"]) / 1e12
    share = f", {rate / peak:.1%} of the device's {peak:g}" if peak else ""
    print(f"ours: {flop / 1e9:.0f} GFLOP a step, {rate:.3f} TFLOP/s{share}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=4, help="windows a step")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=2, help="of a turn, timed")
    parser.add_argument("--precision", choices=get_args(Precision), default="float32")
    parser.add_argument("--compile", action="store_true", help="with torch.compile")
    parser.add_argument("--peak", type=float, help="of the device, TFLOP/s")
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    settings = TrainSettings(
        batch=arguments.batch,
        learning_rate=RATE,
        weight_decay=DECAY,
        warmup=0,
        average=AVERAGE,
        precision=arguments.precision,
        compile=arguments.compile,
    )
    with tempfile.TemporaryDirectory() as folder:
        mice, store = Path(folder) / "mice", Path(folder) / "store"
        simulate(mice, replace(SCALES["tiny"], neurons=NEURONS), seed=0)
        ingest(mice, store)
        found = _run(store, settings, arguments.rounds, arguments.steps)
        flop = measure(_count, store, settings)
    _print(found, flop, arguments.peak)
    if arguments.json:
        machine: Figures = {"cores": os.cpu_count(), "python": platform.python_version(), "torch": torch.__version__}
        machine["gpu"] = torch.cuda.get_device_name() if torch.cuda.is_available() else None
        about = {"machine": machine, "settings": asdict(settings), "flop": flop, "contestants": found}
        arguments.json.write_text(json.dumps(about, indent=1) + "\n")


if __name__ == "__main__":
    main()
