"""Dynamic-V1FM's readout in groups, and both kinds of it as exported graphs."""

from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
import torch
from small import SMALL

from sensorium_ray.bundle.export import write_onnx
from sensorium_ray.data.clip import Clip
from sensorium_ray.errors import ConfigError
from sensorium_ray.models import find
from sensorium_ray.models.encoder import Encoder
from sensorium_ray.models.hierarchical import LEVELS, nearest
from sensorium_ray.models.population import MouseSpec, Population

MICE = Population([MouseSpec.unknown("many", 40), MouseSpec.unknown("few", 5)])
"""The second has fewer neurons than a group of the coarser levels."""


def _encoder(fusion: str, seed: int = 0) -> Encoder:
    torch.manual_seed(seed)
    encoder = find.build("dynamic_v1fm", {**SMALL["dynamic_v1fm"], "fusion": fusion}, MICE).eval()
    with torch.no_grad():
        for name, value in encoder.named_parameters():
            if name.endswith("features"):  # they start alike
                value.normal_()
    return encoder


def _inputs(encoder: Encoder, batch: int) -> dict[str, np.ndarray]:
    rng, frames = np.random.default_rng(1), encoder.cut.frames
    shapes = {"video": (batch, frames, 36, 64), "behavior": (batch, 2, frames), "pupil_center": (batch, 2, frames)}
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def _ask(encoder: Encoder, inputs: dict[str, np.ndarray], mouse: int, neurons: list[int]) -> np.ndarray:
    tensors = {name: torch.from_numpy(array) for name, array in inputs.items()}
    batch, frames = inputs["video"].shape[:2]
    moment = torch.arange(frames).expand(batch, -1)
    with torch.no_grad():
        return encoder(
            **tensors, mouse=torch.full((batch,), mouse), neurons=torch.tensor(neurons), moment=moment
        ).numpy()


@pytest.mark.parametrize("fusion", ["mean", "adaptive"])
def test_a_subset_answers_as_among_all_and_clips_do_not_mix(fusion: str) -> None:
    encoder = _encoder(fusion)
    inputs = _inputs(encoder, 2)
    for mouse in (0, 1):
        everyone = list(range(*MICE.offsets[mouse : mouse + 2]))
        among_all = _ask(encoder, inputs, mouse, everyone)
        np.testing.assert_allclose(
            _ask(encoder, inputs, mouse, [everyone[4], everyone[1]]), among_all[:, [4, 1]], rtol=1e-5
        )
        alone = _ask(encoder, {name: array[1:] for name, array in inputs.items()}, mouse, everyone)
        np.testing.assert_allclose(alone, among_all[1:], rtol=1e-5)


@pytest.mark.parametrize("fusion", ["mean", "adaptive"])
def test_a_mouse_answers_as_in_a_network_of_its_own(fusion: str) -> None:
    """Tables are as wide as the largest mouse's; what fills them up must count for nothing."""
    encoder = _encoder(fusion)
    alone = find.build("dynamic_v1fm", {**SMALL["dynamic_v1fm"], "fusion": fusion}, Population([MICE.mice[1]])).eval()
    mine = dict(alone.named_parameters())
    with torch.no_grad():
        for name, value in encoder.named_parameters():
            mine[name].copy_(value if value.shape == mine[name].shape else value[-len(mine[name]) :])
    inputs = _inputs(encoder, 1)
    expected = _ask(alone, inputs, 0, list(range(5)))
    np.testing.assert_allclose(_ask(encoder, inputs, 1, list(range(40, 45))), expected, rtol=1e-5)


def test_every_parameter_of_the_adaptive_kind_with_all_levels_gets_a_gradient() -> None:
    encoder = _encoder("adaptive").train()
    tensors = {name: torch.from_numpy(array) for name, array in _inputs(encoder, 1).items()}
    neurons, moment = torch.arange(40), torch.arange(encoder.cut.frames)[None]
    encoder(**tensors, mouse=torch.zeros(1, dtype=torch.int64), neurons=neurons, moment=moment).sum().backward()
    without = {name for name, value in encoder.named_parameters() if value.grad is None}
    assert without == {
        f"readout.fusions.{fewer}.{layer}.{part}"
        for fewer in range(len(LEVELS) - 1)
        for layer in ("hidden", "out")
        for part in ("weight", "bias")
    }


@pytest.mark.slow
def test_the_adaptive_kind_exports_with_an_open_batch(tmp_path: Path) -> None:
    encoder = _encoder("adaptive")
    one = {name: array[0] for name, array in _inputs(encoder, 1).items()}
    write_onnx(encoder, Clip(**one), tmp_path / "model.onnx")
    session = ort.InferenceSession(tmp_path / "model.onnx")
    for batch, mouse, neurons in ((1, 0, [7, 39, 0]), (3, 1, [44, 41])):
        inputs = _inputs(encoder, batch)
        moment = np.zeros((batch, encoder.cut.frames), np.int64)
        feeds = {**inputs, "mouse": np.full(batch, mouse), "neurons": np.array(neurons), "moment": moment}
        (answer,) = session.run(None, feeds)
        np.testing.assert_allclose(answer, _ask(encoder, inputs, mouse, neurons), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("neurons", [7863, 7939, 8285, 7671])
def test_groups_of_real_mice_are_rounded_as_torch_rounds(neurons: int) -> None:
    groups = [neurons // size for size in LEVELS]
    differing = [(nearest(neurons, n) != torch.arange(n) * neurons // n).count_nonzero().item() for n in groups]
    assert 1 <= max(differing) <= 3


@pytest.mark.parametrize("wrong", [{"levels": (3,)}, {"fusion": "median"}, {"heads": 5}, {"frames": 31}])
def test_an_impossible_configuration_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        find.make_config("dynamic_v1fm", wrong)
