"""What every architecture promises, found by name."""

import numpy as np
import pytest
import torch
from small import SMALL
from world import World

from sensorium_ray.benchmark import MICE
from sensorium_ray.data.clip import Clip
from sensorium_ray.data.store import FrameStore
from sensorium_ray.errors import ConfigError
from sensorium_ray.models import find
from sensorium_ray.models.encoder import Encoder
from sensorium_ray.models.population import MouseSpec, Population
from sensorium_ray.search.spaces import space
from sensorium_ray.training.inference import torch_run


@pytest.fixture(scope="module")
def population(world: World) -> Population:
    return Population.from_store(FrameStore.open(world.store))


def _clip(frames: int, batch: int = 2) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    video = torch.randint(0, 256, (batch, frames, 36, 64), generator=generator).float()
    behavior = 10 * torch.rand(batch, 2, frames, generator=generator)
    return video, behavior, 150 + torch.randn(batch, 2, frames, generator=generator)


def _ask(encoder: Encoder, frames: int, mouse: int, neurons: range | list[int]) -> np.ndarray:
    with torch.no_grad():
        moment = torch.arange(frames).expand(2, -1)
        return encoder(*_clip(frames), torch.full((2,), mouse), torch.tensor(list(neurons)), moment).numpy()


def test_every_architecture_has_a_small_configuration_here() -> None:
    assert sorted(SMALL) == find.names()


@pytest.mark.parametrize("name", find.names())
@pytest.mark.parametrize("frames", [1, 30])
def test_answers_every_frame_of_any_length(name: str, frames: int, population: Population) -> None:
    torch.manual_seed(0)
    encoder = find.build(name, SMALL[name], population).eval()
    clip = Clip(*(array[0].numpy() for array in _clip(frames)))
    for spec in population.mice:
        answer = encoder.cut.predict(torch_run(encoder, population, spec.name), clip)
        assert answer.shape == (spec.neurons, frames)
        assert np.isfinite(answer).all()
        assert (answer >= 0).all()


@pytest.mark.parametrize("name", find.names())
def test_a_subset_of_neurons_answers_as_among_all(name: str, population: Population) -> None:
    torch.manual_seed(0)
    encoder = find.build(name, SMALL[name], population).eval()
    everyone = population.neuron_range(population.mice[1].name)
    chosen = [everyone[5], everyone[2]]
    np.testing.assert_allclose(
        _ask(encoder, 20, 1, chosen), _ask(encoder, 20, 1, everyone)[:, [5, 2]], rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize("name", find.names())
def test_every_parameter_that_a_mouse_uses_gets_a_gradient(name: str, population: Population) -> None:
    torch.manual_seed(0)
    encoder = find.build(name, SMALL[name], population)
    for mouse, spec in enumerate(population.mice):
        neurons = torch.tensor(population.neuron_range(spec.name))
        encoder(*_clip(20), torch.full((2,), mouse), neurons, torch.arange(20).expand(2, -1)).sum().backward()
    without = [
        key for key, value in encoder.named_parameters() if value.grad is None or not value.grad.isfinite().all()
    ]
    assert without == []


@pytest.mark.parametrize("name", find.names())
@pytest.mark.parametrize("size", ["full", "demo", "published"])
def test_its_space_names_only_settings_that_exist(name: str, size: str) -> None:
    from sensorium_ray.training.settings import TrainSettings

    found = space(name, size).settings  # type: ignore[arg-type]
    known = find.architecture(name).Config.__dataclass_fields__
    assert set(found["model"]) <= set(known)
    assert set(found["training"]) <= set(TrainSettings.__dataclass_fields__)


def test_the_published_factorised_core_has_the_published_number_of_parameters(population: Population) -> None:
    encoder = find.build("factorised3d", {}, population)
    assert sum(p.numel() for p in encoder.core.parameters()) == 382_176


def test_the_published_dwiseneuro_core_and_cortex_have_the_published_number_of_parameters(
    population: Population,
) -> None:
    encoder = find.build("dwiseneuro", {}, population)
    assert sum(p.numel() for p in encoder.core.parameters()) == 3_673_404 + 5_402_624


@pytest.mark.parametrize("padding", [True, False])
def test_the_published_3d_core_has_the_number_of_parameters_of_the_starter_kit_s(
    padding: bool, population: Population
) -> None:
    encoder = find.build("convolution3d", {"padding": padding}, population)
    assert sum(p.numel() for p in encoder.core.parameters()) == 1_946_688


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("convolution3d", {"spatial_kernels": (9, 5), "temporal_kernels": (3, 3), "channels": (2, 2), "padding": True}),
        (
            "convolution3d",
            {"spatial_kernels": (8, 5), "temporal_kernels": (3, 3), "channels": (2, 2), "padding": False},
        ),
        ("factorised3d", {"spatial_kernels": (8, 5), "temporal_kernels": (3, 3), "channels": (2, 2)}),
    ],
)
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_the_factorised_readout_knows_the_size_of_the_map(
    name: str, config: dict[str, object], stride: int, population: Population
) -> None:
    encoder = find.build(name, {**config, "stride": stride, "readout": "factorised"}, population)
    answer = _ask(encoder.eval(), 2, 0, [0, 1])
    assert answer.shape == (2, 2, 2)


def test_the_factorised_readout_refuses_frames_of_another_size(population: Population) -> None:
    encoder = find.build("convolution3d", SMALL["convolution3d"], population).eval()
    video, behavior, pupil = _clip(3)
    inputs = (video[:, :, ::2, ::2], behavior, pupil, torch.zeros(2, dtype=torch.int64), torch.arange(3))
    with pytest.raises(ConfigError, match="weighs feature maps of 10x24 pixels, these have 1x8"):
        encoder(*inputs, torch.arange(3).expand(2, -1))


@pytest.mark.parametrize("value", ["x", True, 3.5, None, [8]])
def test_a_setting_of_another_kind_is_refused(value: object, population: Population) -> None:
    with pytest.raises(ConfigError, match=r"gru: has .* for rotations; give one like 8"):
        find.build("gru", {"rotations": value}, population)


def test_an_unknown_readout_is_answered_with_the_known(population: Population) -> None:
    with pytest.raises(ConfigError, match="there is no readout 'factorized'"):
        find.build("factorised3d", {"readout": "factorized"}, population)


def test_of_stacked_images_a_frame_s_answer_is_its_own(population: Population) -> None:
    """No other frame matters, and without behaviour and shifter nothing but the frame does."""
    torch.manual_seed(0)
    video, behavior, pupil = _clip(6)
    mouse, neurons = torch.zeros(2, dtype=torch.int64), torch.arange(5)
    for plus in (True, False):
        settings = {**SMALL["stacked2d"], "behavior": plus, "shifter": plus}
        encoder = find.build("stacked2d", settings, population).eval()
        with torch.no_grad():
            whole = encoder(video, behavior, pupil, mouse, neurons, torch.arange(6).expand(2, -1))
            clip = (video[:, 4:5], behavior[:, :, 4:5], pupil[:, :, 4:5])
            alone = encoder(*clip, mouse, neurons, torch.zeros(2, 1, dtype=torch.int64))
            moved = encoder(clip[0], clip[1] + 5, clip[2] + 5, mouse, neurons, torch.zeros(2, 1, dtype=torch.int64))
        torch.testing.assert_close(alone, whole[:, :, 4:5], rtol=1e-4, atol=1e-6)
        assert torch.equal(alone, moved) is not plus


def test_the_published_dynamic_v1fm_core_has_the_published_number_of_parameters(population: Population) -> None:
    core = find.build("dynamic_v1fm", {}, population).core
    counts = {name: sum(p.numel() for p in part.parameters()) for name, part in core.named_children()}
    assert counts["patch"] + counts["norm"] == 2_464
    assert counts["blocks"] == 2_271_024


def test_the_published_viv1t_have_the_published_numbers_of_parameters() -> None:
    population = Population([MouseSpec.unknown(mouse.letter, mouse.neurons) for mouse in MICE])
    for name, parameters, in_core in (("viv1t", 13_014_933, 3_787_042), ("viv1t2023", 12_278_365, 2_916_074)):
        encoder = find.build(name, {}, population)
        assert sum(p.numel() for p in encoder.parameters()) == parameters
        assert sum(p.numel() for p in encoder.core.parameters()) == in_core


def test_an_unknown_architecture_is_answered_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'dwiseneuro'"):
        find.build("dwisneuro", {}, Population([]))


def test_an_unknown_setting_is_answered_with_the_known(population: Population) -> None:
    with pytest.raises(ConfigError, match="no setting 'chanels'; did you mean 'channels'"):
        find.build("factorised3d", {"chanels": (8,)}, population)
