"""A replica whose networks answer elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from threading import Barrier
from unittest.mock import MagicMock

import numpy as np
import pytest
from ray.exceptions import RayActorError, RayTaskError
from ray.serve.exceptions import BackPressureError
from serving.conftest import MEMBERS, noise

from sensorium_ray.bundle.network import Network, OnnxNetwork, Windows
from sensorium_ray.bundle.predictor import load_predictor
from sensorium_ray.data.clip import Clip
from sensorium_ray.serving.predictors import Predictors
from sensorium_ray.serving.problems import Refusal
from sensorium_ray.serving.served import Served
from sensorium_ray.serving.workers import Elsewhere


async def ask(predictors: Predictors, clip: Clip, mouse: str) -> np.ndarray:
    return np.concatenate([part async for part in predictors.predict("both", clip, mouse, None)], axis=1)


def predictors(both: Path, wrap: Callable[[Network], Network]) -> tuple[Predictors, list[Path]]:
    """Predictors, and the bundles that were asked for elsewhere."""
    asked: list[Path] = []

    def elsewhere(bundle: Path, folder: Path) -> Network:
        asked.append(bundle)
        return wrap(OnnxNetwork(folder, threads=1))

    return Predictors({"both": Served.read(both)}, elsewhere), asked


def test_the_members_of_an_ensemble_are_asked_at_once(both: Path) -> None:
    clip = noise(230, 36, 64)  # three windows of each member, of which no two begin together
    all_members = Barrier(2)

    def meeting(network: Network) -> Network:
        def answer(windows: Windows) -> np.ndarray:
            all_members.wait(30)  # until the other member is asked, too
            return network(windows)

        return answer

    here = load_predictor(both, threads=1)
    there, asked = predictors(both, meeting)
    answer = asyncio.run(ask(there, clip, here.mice[0]))
    np.testing.assert_allclose(answer, here.predict(clip, here.mice[0]), rtol=1e-5, atol=1e-6)
    assert asked == [both / "members" / name for name in MEMBERS]


def test_requests_do_not_wait_for_each_others_windows(both: Path) -> None:
    clip, mouse = noise(40, 36, 64), load_predictor(both).mice[0]
    all_four = Barrier(4)  # two requests, two members each

    def meeting(network: Network) -> Network:
        return lambda windows: (all_four.wait(30), network(windows))[1]

    there, _ = predictors(both, meeting)

    async def two() -> list[np.ndarray]:
        return await asyncio.gather(ask(there, clip, mouse), ask(there, clip, mouse))

    first, second = asyncio.run(two())
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (RayActorError(), Refusal),  # the worker died
        (BackPressureError(num_queued_requests=9, max_queued_requests=8), Refusal),
        (RayTaskError("answer", "", ValueError("no memory")), ValueError),  # it failed, which a log tells
    ],
)
def test_a_worker_that_is_gone_is_a_503_and_its_own_failure_is_ours(
    raised: Exception, told: type[Exception], both: Path
) -> None:
    handle = MagicMock()
    handle.options.return_value.answer.remote.return_value.result.side_effect = raised
    network = Elsewhere(handle).network(both / "members" / MEMBERS[0], both / "members" / MEMBERS[0])
    with pytest.raises(told) as found:
        network({})
    assert not isinstance(found.value, Refusal) or found.value.status == 503
