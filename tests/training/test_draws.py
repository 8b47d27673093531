"""What a step is trained on, and how it is shared and cut up."""

import numpy as np
import pytest
from tiny_store import Tiny

from sensorium_ray.data.loading import Batch
from sensorium_ray.data.store import FrameStore
from sensorium_ray.training.draws import MixedBatch, MouseDraw, StepDraw, micro_batches, windows_by_mouse

MICE = ["a", "b", "c"]


def test_a_step_of_one_mouse_takes_the_mice_in_turn() -> None:
    assert [windows_by_mouse(MICE, step, 1, 8) for step in range(4)] == [{"a": 8}, {"b": 8}, {"c": 8}, {"a": 8}]


def test_a_step_of_all_mice_gives_each_its_turn_to_have_more() -> None:
    steps = [windows_by_mouse(MICE, step, 10, 4) for step in range(3)]
    assert [sum(step.values()) for step in steps] == [4, 4, 4]
    assert {mouse: sum(step[mouse] for step in steps) for mouse in MICE} == {"a": 4, "b": 4, "c": 4}


def test_no_mouse_comes_without_a_window() -> None:
    assert windows_by_mouse(MICE, 0, 3, 2) == {"a": 1, "b": 1}


def _step(tiny: Tiny, cutmix: float) -> StepDraw:
    store, rng = FrameStore.open(tiny.store), np.random.default_rng(0)
    draws = {
        name: MouseDraw.at_random(store[name], store[name].select("oracle"), windows, 8, 2, cutmix, rng)
        for name, windows in zip(store.mice, (3, 2), strict=True)
    }
    return StepDraw(draws)


def _sorted(batches: list[MixedBatch], mouse: str) -> np.ndarray:
    found = np.concatenate([batch[mouse].video for batch in batches if mouse in batch])
    return found[np.lexsort(found.reshape(len(found), -1).T)]


@pytest.mark.parametrize("cutmix", [0.0, 0.7])
@pytest.mark.parametrize("workers", [2, 4])
def test_the_shares_of_the_workers_are_the_whole_step(tiny: Tiny, cutmix: float, workers: int) -> None:
    step = _step(tiny, cutmix)
    whole = step.read()
    shares = [step.share(worker, workers).read() for worker in range(workers)]
    sizes = [sum(len(part.video) for part in share.values()) for share in shares]
    assert max(sizes) - min(sizes) <= 1
    for mouse in whole:
        np.testing.assert_array_equal(_sorted(shares, mouse), _sorted([whole], mouse))


@pytest.mark.parametrize("size", [1, 2, 4, 5, 9])
def test_micro_batches_are_the_batch_in_order(tiny: Tiny, size: int) -> None:
    whole = _step(tiny, 0.0).read()
    parts = list(micro_batches(whole, size))
    sizes = [sum(len(part.video) for part in batch.values()) for batch in parts]
    assert sum(sizes) == 5
    assert set(sizes[:-1]) <= {size}
    for mouse, windows in whole.items():
        for name in Batch.__dataclass_fields__:
            found = np.concatenate([getattr(part[mouse], name) for part in parts if mouse in part])
            np.testing.assert_array_equal(found, getattr(windows, name))
