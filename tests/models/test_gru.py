"""The recurrent baseline: orientations, recurrence, and loops that stay loops in an exported graph."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sensorium_ray.errors import ConfigError
from sensorium_ray.models import find
from sensorium_ray.models.gru import Config, ConvGru, FrameCore
from sensorium_ray.models.population import MouseSpec, Population


@pytest.fixture
def population() -> Population:
    return Population([MouseSpec.unknown("mouse", 5)])


def test_the_published_network_has_the_published_number_of_parameters(population: Population) -> None:
    core = find.build("gru", {}, population).core
    assert sum(p.numel() for p in core.frames.parameters()) == 44_152
    frozen = sum(b.numel() for name, b in core.frames.named_buffers() if "functions" in name or "rotations" in name)
    assert frozen == 66_060
    assert sum(p.numel() for p in core.gru.parameters()) == 1_991_040


def test_a_frame_turned_by_a_right_angle_gives_the_maps_turned_and_the_orientations_moved_on() -> None:
    torch.manual_seed(0)
    core = FrameCore(Config(features=3, rotations=8, layers=3, input_kernel=6, hidden_kernel=5), inputs=2).eval()
    frame = torch.randn(1, 2, 20, 20)
    with torch.no_grad():
        maps = core(frame).unflatten(1, (8, 3))
        turned = core(frame.rot90(1, (2, 3))).unflatten(1, (8, 3))
    np.testing.assert_allclose(turned, maps.rot90(1, (3, 4)).roll(2, 1), rtol=1e-4, atol=1e-4)


def test_one_rotation_is_an_ordinary_core(population: Population) -> None:
    core = find.build("gru", {"features": 6, "rotations": 1, "layers": 2}, population).core
    assert [conv.weight.shape for conv in core.frames.convs] == [(6, 3, 9, 9), (6, 6, 7, 7)]
    assert [norm.num_features for norm in core.frames.norms] == [6, 6]


def test_a_still_state_is_kept_where_the_update_gate_is_shut() -> None:
    torch.manual_seed(0)
    gru = ConvGru(2, 3, 3)
    frames = torch.randn(4, 1, 2, 6, 6)
    with torch.no_grad():
        gru.inputs.bias[:3] = -50
        assert gru(frames).abs().max() < 1e-12
        gru.inputs.bias[:3], gru.inputs.bias[3:6] = 50, -50  # open, and the past reset
        candidates = gru.inputs(frames[:, 0])[:, 6:].tanh()
        np.testing.assert_allclose(gru(frames)[:, 0], candidates, atol=1e-6)


def _exported(module: nn.Module, inputs: tuple[Tensor, ...], axes: tuple[int | None, ...]) -> nn.Module:
    time = torch.export.Dim.DYNAMIC
    shapes = tuple(None if axis is None else {axis: time} for axis in axes)
    with torch.no_grad():
        return torch.export.export(module, inputs, dynamic_shapes=shapes).module()


@pytest.mark.parametrize("frames", [1, 3, 17])
def test_an_exported_recurrence_answers_as_the_loop_at_every_length(frames: int) -> None:
    torch.manual_seed(0)
    gru = ConvGru(2, 3, 3)
    graph = _exported(gru, (torch.randn(6, 2, 2, 5, 7),), (0,))
    features = torch.randn(frames, 2, 2, 5, 7)
    with torch.no_grad():
        np.testing.assert_allclose(graph(features), gru(features), atol=1e-6)


@pytest.mark.parametrize("setting", ["hidden_kernel", "recurrent_kernel"])
def test_a_kernel_that_has_no_middle_is_refused(setting: str) -> None:
    with pytest.raises(ConfigError, match="even"):
        find.make_config("gru", {setting: 4})
