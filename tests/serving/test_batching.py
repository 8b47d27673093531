"""Windows of several requests that go through a network at once get the answers that they get alone."""

from __future__ import annotations

import numpy as np
import pytest

from sensorium_ray.bundle.network import OnnxNetwork, Windows
from sensorium_ray.bundle.pretrained import PRETRAINED
from sensorium_ray.serving.batching import together


class Counting:
    """A network, and how many windows it was asked at a time."""

    def __init__(self) -> None:
        self.network = OnnxNetwork(PRETRAINED / "factorised3d", threads=1)
        self.batches: list[int] = []

    def __call__(self, windows: Windows) -> np.ndarray:
        self.batches.append(len(windows["video"]))
        return self.network(windows)


@pytest.fixture
def network() -> Counting:
    return Counting()


def windows(seed: int, batch: int = 1, frames: int = 20, neurons: int = 30) -> Windows:
    random = np.random.default_rng(seed)
    return {
        "video": random.uniform(0, 255, (batch, frames, 36, 64)).astype(np.float32),
        "behavior": random.uniform(0, 40, (batch, 2, frames)).astype(np.float32),
        "pupil_center": random.uniform(0, 40, (batch, 2, frames)).astype(np.float32),
        "mouse": np.full(batch, 0),
        "neurons": np.arange(neurons),
        "moment": np.tile(np.arange(frames), (batch, 1)),
    }


def test_windows_of_like_shape_go_together(network: Counting) -> None:
    asked = [windows(0), windows(1, batch=2), windows(2)]
    answers = together(network, asked)
    assert network.batches == [4]
    for one, answer in zip(asked, answers, strict=True):
        np.testing.assert_allclose(answer, network(one), rtol=1e-5, atol=1e-6)


def test_others_go_on_their_own_and_every_one_gets_its_own_answer(network: Counting) -> None:
    asked = [windows(0), windows(1, frames=25), windows(2, neurons=7), windows(3), windows(4, frames=25)]
    answers = together(network, asked)
    assert sorted(network.batches) == [1, 2, 2]
    for one, answer in zip(asked, answers, strict=True):
        np.testing.assert_allclose(answer, network(one), rtol=1e-5, atol=1e-6)
