"""The gradient of a mixed batch: however it is cut and shared, it is that of all its windows."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from networks import gradient, step_of, still_network, windows_of
from small import SMALL
from world import World

from sensorium_ray.data.store import FrameStore
from sensorium_ray.models.population import Population
from sensorium_ray.training.losses import poisson_loss
from sensorium_ray.training.step import StepLoss


@pytest.fixture(scope="module")
def store(world: World) -> FrameStore:
    return FrameStore.open(world.store)


@pytest.fixture(scope="module")
def loss(store: FrameStore) -> StepLoss:
    return StepLoss(Population.from_store(store), "float32", None, 0.0)


@pytest.mark.parametrize("name", sorted(SMALL))
def test_the_loss_of_a_mixed_batch_is_the_mean_over_all_responses_of_its_mice(
    store: FrameStore, loss: StepLoss, name: str
) -> None:
    encoder, batch = still_network(loss.population, name), step_of(store).read()
    entries = []
    for mouse, windows in batch.items():
        arrays = (windows.video, windows.behavior, windows.pupil_center, windows.moment)
        *inputs, moment = map(torch.from_numpy, arrays)
        neurons = torch.tensor(loss.population.neuron_range(mouse))
        places = torch.full((len(windows.video),), loss.population.index(mouse))
        with torch.no_grad():
            predicted = encoder.normalised_responses(*inputs, places, neurons, moment)
        frames = predicted.shape[2]
        recorded = torch.from_numpy(windows.responses)[:, :, -frames:] / encoder.response_units(neurons, moment, frames)
        entries += [poisson_loss(p, r).item() for p, r in zip(predicted.flatten(), recorded.flatten(), strict=True)]
    found, _ = gradient(loss, encoder, batch, windows_of(store))
    assert found == pytest.approx(np.mean(entries), rel=1e-4)


@pytest.mark.parametrize("micro_batch", [1, 2, 4])
def test_micro_batches_have_the_gradient_of_the_batch(store: FrameStore, loss: StepLoss, micro_batch: int) -> None:
    encoder, batch, windows = still_network(loss.population), step_of(store).read(), windows_of(store)
    expected = gradient(loss, encoder, batch, windows)
    _assert_same(gradient(loss, encoder, batch, windows, micro_batch), expected)


@pytest.mark.parametrize("workers", [2, 4])
def test_the_gradients_of_the_workers_shares_add_up_to_that_of_the_step(
    store: FrameStore, loss: StepLoss, workers: int
) -> None:
    encoder, step, windows = still_network(loss.population), step_of(store, cutmix=0.5), windows_of(store)
    expected = gradient(loss, encoder, step.read(), windows)
    shares = [gradient(loss, encoder, step.share(w, workers).read(), windows) for w in range(workers)]
    names = expected[1]
    total = {name: sum(gradients[name] for _, gradients in shares) for name in names}
    _assert_same((sum(value for value, _ in shares), total), expected)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", sorted(SMALL))
def test_half_precision_is_close(store: FrameStore, loss: StepLoss, name: str) -> None:
    encoder, batch, windows = still_network(loss.population, name), step_of(store).read(), windows_of(store)
    half = StepLoss(loss.population, "bfloat16", None, 0.0)
    exact, expected = gradient(loss, encoder, batch, windows)
    close, gradients = gradient(half, encoder, batch, windows)
    assert close == pytest.approx(exact, rel=0.02)
    # The loss alone may not show it, where a network's answers begin at their bias.
    assert any(not torch.equal(gradients[key], value) for key, value in expected.items())
    assert {value.dtype for value in gradients.values()} == {torch.float32}


def _assert_same(found: tuple[float, dict[str, torch.Tensor]], expected: tuple[float, dict[str, torch.Tensor]]) -> None:
    assert found[0] == pytest.approx(expected[0], rel=1e-5)
    for name, value in expected[1].items():
        torch.testing.assert_close(found[1][name], value, rtol=1e-3, atol=1e-6)
