"""What a machine with a GPU is relied on for; without one all of it is skipped."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from insilico.torch_bundles import network, random_clip, torch_bundle
from serving.conftest import noise
from serving.endpoints import serving
from small import SMALL
from tiny_store import Tiny
from training.networks import gradient, step_of, still_network, windows_of
from world import World

from sensorium_ray import compute
from sensorium_ray.benchmark import EvalWindow
from sensorium_ray.bundle.network import execution_providers
from sensorium_ray.bundle.predictor import load_predictor
from sensorium_ray.bundle.pretrained import PRETRAINED
from sensorium_ray.client.clients import SensoriumClient
from sensorium_ray.data.ingest import ingest
from sensorium_ray.data.simulate import SCALES, simulate
from sensorium_ray.data.store import FrameStore
from sensorium_ray.insilico.gradients import bundle_gradients
from sensorium_ray.models import find
from sensorium_ray.models.normalisation import PUBLISHED
from sensorium_ray.models.population import Population
from sensorium_ray.scoring.job import score
from sensorium_ray.search.settings import SweepSettings
from sensorium_ray.search.sweep import sweep
from sensorium_ray.training.checkpoint import Checkpoint
from sensorium_ray.training.settings import TrainSettings
from sensorium_ray.training.step import StepLoss
from sensorium_ray.training.trainer import Trainer

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
predicts_there = pytest.mark.skipif(
    "CUDAExecutionProvider" not in execution_providers(), reason="needs onnxruntime's build for GPUs"
)
CUDA, CPU = torch.device("cuda"), torch.device("cpu")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """The tiny simulation, without an S3 server beside it."""
    folder = tmp_path_factory.mktemp("world")
    compute.connect()
    simulate(folder / "mice", SCALES["tiny"], seed=0)
    ingest(folder / "mice", folder / "store")
    return World(folder / "mice", folder / "store")


@pytest.fixture
def exact_convolutions() -> Iterator[None]:
    """As on a CPU: cuDNN's are rounded to ten bits otherwise."""
    torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32 = True


def _trainer(world: World, **settings: object) -> Trainer:
    chosen = TrainSettings.of({"epochs": 2, "steps": 4, "batch": 4, "mice": 2, "frames": 16, **settings})
    return Trainer(FrameStore.open(world.store), "factorised3d", SMALL["factorised3d"], chosen)


@pytest.mark.usefixtures("exact_convolutions")
@pytest.mark.parametrize("name", sorted(SMALL))
def test_loss_and_gradient_are_the_cpus(world: World, name: str) -> None:
    store = FrameStore.open(world.store)
    population = Population.from_store(store, PUBLISHED.get(find.make_config(name, SMALL[name]).normalisation, ()))
    loss, batch = StepLoss(population, "float32", None, 0.0), step_of(store).read()
    here, there = (
        gradient(loss, still_network(population, name).to(device), batch, windows_of(store)) for device in (CPU, CUDA)
    )
    assert there[0] == pytest.approx(here[0], rel=1e-4)
    for parameter, expected in here[1].items():
        difference = torch.linalg.vector_norm(there[1][parameter].cpu() - expected)
        assert difference <= 1e-3 * torch.linalg.vector_norm(expected) + 1e-6, parameter


@pytest.mark.parametrize("compiled", [False, True])
def test_half_the_bits_learn_as_well(world: World, compiled: bool) -> None:
    half = _trainer(world, precision="bfloat16", compile=compiled, steps=30)
    whole = _trainer(world, steps=30)
    for _ in range(2):
        last = half.run_epoch(), whole.run_epoch()
    assert last[0].loss == pytest.approx(last[1].loss, rel=0.02)


@pytest.mark.usefixtures("exact_convolutions")
def test_going_on_from_a_checkpoint_gives_the_same_losses(world: World, tmp_path: Path) -> None:
    whole = _trainer(world)
    expected = [whole.run_epoch() for _ in range(2)]
    first = _trainer(world)
    first.run_epoch()
    first.checkpoint().write(tmp_path)
    again = _trainer(world)
    again.resume(Checkpoint.read(tmp_path))
    assert again.run_epoch().loss == pytest.approx(expected[1].loss, rel=1e-5)


def test_too_many_windows_are_halved_and_it_is_said(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """With as much of the GPU's memory as seven eighths of what the whole batch needs."""
    settings = {"batch": 512, "steps": 1, "frames": 32}
    torch.cuda.reset_peak_memory_stats()
    _trainer(world, **settings).run_epoch()
    most = torch.cuda.max_memory_allocated()
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(most * 7 / 8 / total)
    try:
        _trainer(world, **settings).run_epoch()
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert "out of memory with 512 windows at once, going on with 256" in capsys.readouterr().err


def test_two_tune_trials_share_a_gpu(world: World, tmp_path: Path) -> None:
    settings = SweepSettings(size="demo", samples=2, epochs=1, steps=2, gpus=0.5)
    found = sweep(world.store, ["linear_nonlinear", "gru"], tmp_path / "sweep", settings)
    assert not [trial for trial in found["trials"] if "error" in trial]


@predicts_there
@pytest.mark.parametrize("name", ["factorised3d", "gru", "linear_nonlinear"])
def test_a_bundles_answer_is_the_cpus(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    clip, there = noise(150, 36, 64), load_predictor(PRETRAINED / name)
    providers = onnxruntime.get_available_providers()
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [p for p in providers if "CUDA" not in p])
    here = load_predictor(PRETRAINED / name)
    for mouse in here.mice:
        np.testing.assert_allclose(there.predict(clip, mouse), here.predict(clip, mouse), rtol=1e-4, atol=1e-4)


@predicts_there
def test_the_scoring_job_runs_there(tiny: Tiny) -> None:
    compute.connect()
    table = score([tiny.good, tiny.bad], tiny.store, truth=tiny.truth, window=EvalWindow(10, 50))
    assert table.table.to_pandas()["value"].notna().all()


@predicts_there
def test_workers_of_the_endpoint_share_one() -> None:
    bundle, clip = PRETRAINED / "factorised3d", noise(150, 36, 64)
    predictor = load_predictor(bundle)
    expected = predictor.predict(clip, predictor.mice[0])
    with (
        serving(bundle, "--workers", 2, "--worker-gpus", 0.5, "--batch", 4) as (running, _),
        SensoriumClient(running.url) as client,
    ):
        answer = client.predict(bundle.name, clip, predictor.mice[0])
    np.testing.assert_allclose(answer, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", sorted(SMALL))
def test_gradients_by_pixels_are_the_cpus(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder, _, config = network(name)
    bundle = torch_bundle(tmp_path / name, encoder, name, config)
    clips = [random_clip(33, seed) for seed in (0, 1)]
    weights = list(np.random.default_rng(0).normal(size=(2, 3, 33)).astype(np.float32))
    answers = []
    for there in (True, False):
        monkeypatch.setattr(torch.cuda, "is_available", lambda there=there: there)
        answers.append(bundle_gradients(bundle, "mouse-b", np.array([3, 0, 1]))(clips, weights))
    for found, expected in zip(*answers, strict=True):
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=0, atol=1e-3 * np.abs(other).max())
