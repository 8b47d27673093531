"""The published networks answer as the public reference code does, given the same weights."""

from pathlib import Path

import numpy as np
import pytest
import torch

from sensorium_ray.data.clip import Clip
from sensorium_ray.data.store import Statistics
from sensorium_ray.data.windows import predict_clip
from sensorium_ray.models import find
from sensorium_ray.models.encoder import Encoder
from sensorium_ray.models.population import MouseSpec, Population

REFERENCES = Path(__file__).parents[3] / "shared" / "data" / "architectures"
pytestmark = pytest.mark.skipif(not REFERENCES.is_dir(), reason="the reference vectors (../shared) are not here")


def _population(sizes: list[int], coordinates: list[np.ndarray] | None = None) -> Population:
    def ones(*shape: int) -> np.ndarray:
        return np.ones(shape, np.float32)

    return Population(
        [
            MouseSpec(
                f"mouse{place}",
                np.arange(size),
                coordinates[place] if coordinates else np.random.default_rng(0).normal(size=(size, 3)),
                Statistics(ones(), ones(), ones(2), ones(2), ones(2), ones(2), ones(size), ones(size)),
            )
            for place, size in enumerate(sizes)
        ]
    )


def _factorised3d(reference: dict[str, torch.Tensor], vectors: dict[str, np.ndarray]) -> Encoder:
    keys = [
        "dynamic00011-1-1-Video-0000000000000000000000000000000a",
        "dynamic00017-1-1-Video-0000000000000000000000000000000b",
    ]
    population = _population([11, 17], [vectors[f"mouse{m}_neuron_coordinates"] for m in (0, 1)])
    encoder = find.build("factorised3d", {"channels": (8, 12, 16), "normalisation": "raw"}, population)
    state = encoder.state_dict()
    for layer in range(3):
        name = f"core.features.layer{layer}"
        suffix = f"_{layer}" if layer else ""
        for part in ("weight", "bias"):
            state[f"core.convs.{layer}.spatial.{part}"] = reference[f"{name}.conv_spatial{suffix}.{part}"]
            state[f"core.convs.{layer}.temporal.{part}"] = reference[f"{name}.conv_temporal{suffix}.{part}"]
        for part in ("weight", "bias", "running_mean", "running_var"):
            state[f"core.norms.{layer}.{part}"] = reference[f"{name}.norm.{part}"]

    def stacked(pattern: str) -> torch.Tensor:
        return torch.stack([reference[pattern.format(key)] for key in keys])

    def joined(pattern: str) -> torch.Tensor:
        return torch.cat([reference[pattern.format(key)] for key in keys])

    state["readout.bias"] = joined("readout.{}.bias")
    state["readout.features"] = torch.cat([reference[f"readout.{key}._features"][0, :, 0].T for key in keys])
    torch.testing.assert_close(state["readout.source_grid"], joined("readout.{}.source_grid"), rtol=0, atol=1e-6)
    for part in ("weight", "bias"):
        state[f"readout.mu_hidden.{part}"] = stacked("readout.{}.mu_transform.0." + part)
        state[f"readout.mu_out.{part}"] = stacked("readout.{}.mu_transform.2." + part)
        for ours, theirs in enumerate((0, 2, 4)):
            state[f"readout.shifter.{ours}.{part}"] = stacked(f"shifter.{{}}.mlp.{theirs}." + part)
    encoder.load_state_dict(state)
    return encoder.eval()


@pytest.mark.parametrize("mouse", [0, 1])
@pytest.mark.parametrize("frames", [80, 48])
@pytest.mark.parametrize(("dtype", "atol"), [("f32", 1e-4), ("f64", 1e-6)])
def test_factorised3d_baseline(mouse: int, frames: int, dtype: str, atol: float) -> None:
    folder = REFERENCES / "factorised3d_baseline"
    vectors = dict(np.load(folder / "vectors.npz"))
    encoder = _factorised3d(torch.load(folder / "final.pth", weights_only=True), vectors)
    real = torch.float32 if dtype == "f32" else torch.float64
    encoder.to(real)
    video, behavior, pupil = (
        torch.from_numpy(vectors[f"mouse{mouse}_in_{name}_T{frames}"]).to(real)
        for name in ("video", "behavior", "pupil_center")
    )
    neurons = torch.tensor(encoder_range(mouse, [11, 17]))
    with torch.no_grad():
        answer = encoder.normalised_responses(video[:, 0], behavior, pupil, torch.tensor([mouse]), neurons)
    expected = vectors[f"mouse{mouse}_out_T{frames}_{dtype}"].swapaxes(1, 2)
    np.testing.assert_allclose(answer.numpy(), expected, atol=atol, rtol=1e-4)


def encoder_range(mouse: int, sizes: list[int]) -> list[int]:
    start = sum(sizes[:mouse])
    return list(range(start, start + sizes[mouse]))


def _dwiseneuro(reference: dict[str, torch.Tensor], hop: int = 1) -> Encoder:
    settings = {
        "core_features": (16, 16, 24, 40),
        "spatial_strides": (2, 1, 2, 2),
        "cortex_features": (48, 80, 112),
        "window_hop": hop,
    }
    encoder = find.build("dwiseneuro", settings, _population([11, 17]))
    state = encoder.state_dict()
    names = ("weight", "bias", "running_mean", "running_var")
    state["core.core.stem.weight"] = reference["core.stem.0.weight"]
    state |= {f"core.core.stem_norm.{part}": reference[f"core.stem.1.bn.{part}"] for part in names}
    for block in range(4):
        ours, theirs = f"core.core.blocks.{block}", f"core.blocks.{2 * block + 1}"
        state[f"{ours}.encoding.inverse_frequency"] = reference[f"core.blocks.{2 * block}.inv_freq"]
        convs = {"widen": "conv_pw", "space": "spat_covn_dw", "time": "temp_covn_dw", "narrow": "conv_pwl"}
        for place, (conv, old) in enumerate(convs.items()):
            state[f"{ours}.{conv}.weight"] = reference[f"{theirs}.{old}.0.weight"]
            state |= {f"{ours}.norms.{place}.{part}": reference[f"{theirs}.{old}.1.bn.{part}"] for part in names}
        for gate in ("reduce", "expand"):
            weight = reference[f"{theirs}.se.conv_{gate}.weight"]
            state[f"{ours}.gate.{gate}.weight"] = weight[:, :, 0, 0, 0]
            state[f"{ours}.gate.{gate}.bias"] = reference[f"{theirs}.se.conv_{gate}.bias"]
        state |= {f"{ours}.shortcut_norm.{part}": reference[f"{theirs}.bn_sc.bn.{part}"] for part in names}
    for layer in range(3):
        ours, theirs = f"core.cortex.{layer}", f"cortex.layers.{layer}"
        state[f"{ours}.conv.weight"] = reference[f"{theirs}.conv.weight"]
        state |= {f"{ours}.norm.{part}": reference[f"{theirs}.bn.bn.{part}"] for part in names}
        state |= {f"{ours}.shortcut_norm.{part}": reference[f"{theirs}.bn_sc.bn.{part}"] for part in names}
    sizes = (11, 17)
    for part in ("weight", "bias"):
        rows = [reference[f"readouts.{m}.layer.1.{part}"][:size] for m, size in enumerate(sizes)]
        state[f"readout.{part}"] = torch.cat(rows).reshape(state[f"readout.{part}"].shape)
    encoder.load_state_dict(state)
    return encoder.eval()


def _dwiseneuro_reference() -> tuple[dict[str, torch.Tensor], dict[str, np.ndarray]]:
    folder = REFERENCES / "dwiseneuro"
    checkpoint = torch.load(folder / "model-017-0.123456.pth", weights_only=True)
    return checkpoint["nn_state_dict"], dict(np.load(folder / "vectors.npz"))


@pytest.mark.parametrize("mouse", [0, 1])
@pytest.mark.parametrize(("dtype", "atol"), [("f32", 1e-3), ("f64", 1e-6)])
def test_dwiseneuro_windows(mouse: int, dtype: str, atol: float) -> None:
    reference, vectors = _dwiseneuro_reference()
    real = torch.float32 if dtype == "f32" else torch.float64
    encoder = _dwiseneuro(reference).to(real)
    frames = vectors["window_indexes"]
    inputs = [
        torch.from_numpy(np.moveaxis(vectors[name][..., frames], -2, 0)).to(real)
        for name in ("video", "behavior", "pupil_center")
    ]
    with torch.no_grad():
        answer = encoder(
            inputs[0].permute(0, 3, 1, 2),
            *inputs[1:],
            torch.full((len(frames),), mouse),
            torch.tensor(encoder_range(mouse, [11, 17])),
        )
    np.testing.assert_allclose(answer.numpy(), vectors[f"window_outputs_mouse{mouse}_{dtype}"], atol=atol, rtol=1e-4)


def test_dwiseneuro_whole_trial_by_overlapping_windows() -> None:
    mouse = 1
    reference, vectors = _dwiseneuro_reference()
    encoder = _dwiseneuro(reference)
    neurons = torch.tensor(encoder_range(mouse, [11, 17]))

    def run(video: np.ndarray, behavior: np.ndarray, pupil: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            inputs = [torch.from_numpy(array) for array in (video, behavior, pupil)]
            return encoder(*inputs, torch.full((len(video),), mouse), neurons).numpy()

    clip = Clip(np.moveaxis(vectors["video"], -1, 0), vectors["behavior"], vectors["pupil_center"])
    answer = predict_clip(run, clip, encoder.receptive_field, encoder.window)
    np.testing.assert_allclose(answer, vectors[f"trial_prediction_mouse{mouse}_f32"], atol=1e-3, rtol=1e-4)
