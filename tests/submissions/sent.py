"""Submissions of the tiny store that need no model: the true rates with noise, so that less noise scores better."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tiny_store import Tiny

from sensorium_ray.benchmark import EvalWindow
from sensorium_ray.data.store import FrameStore
from sensorium_ray.data.truth import Truth
from sensorium_ray.submissions.files import FILES, ZIPS, SubmissionWriter

WINDOW = EvalWindow(10, 50)


def send(
    tiny: Tiny,
    folder: Path,
    noise: float,
    *,
    tiers: Sequence[str] = ZIPS["submission_main.zip"],
    leave_out: int = 0,
    seed: int = 0,
    window: EvalWindow = WINDOW,
) -> Path:
    """Write a zip of `tiers`; the last `leave_out` trials of each are missing."""
    random, store, truth = np.random.default_rng(seed), FrameStore.open(tiny.store), Truth.open(tiny.truth)
    path = folder / f"sent-{noise}-{'-'.join(tiers)}-{leave_out}.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for tier in tiers:
            trials = [(mouse, info) for mouse in store.mice for info in store[mouse].select(tier)]
            with SubmissionWriter(folder / FILES[tier]) as writer:
                for mouse, info in trials[: len(trials) - leave_out]:
                    rates = truth.rates(mouse, info.trial)[:, window.slice(info.frames)]
                    noisy = (rates + noise * random.normal(0, 15, rates.shape)).astype(np.float32)
                    writer.add(mouse, info.trial, noisy, store[mouse].unit_ids)
            archive.write(folder / FILES[tier], FILES[tier])
    return path
