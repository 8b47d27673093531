"""An exported bundle answers as the torch network does, or is not written at all."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from small import SMALL
from world import World

from sensorium_ray.bundle import export as export_module
from sensorium_ray.bundle.export import TOLERANCE, export
from sensorium_ray.bundle.manifest import Manifest
from sensorium_ray.bundle.predictor import load_predictor
from sensorium_ray.data.store import FrameStore
from sensorium_ray.data.windows import Blocks
from sensorium_ray.errors import BundleError, ConfigError, DataError, ExportError
from sensorium_ray.models import find
from sensorium_ray.training.checkpoint import Checkpoint
from sensorium_ray.training.inference import torch_run
from sensorium_ray.training.settings import TrainSettings
from sensorium_ray.training.trainer import Trainer

LONGEST = ("convolution3d", "dynamic_v1fm", "gru", "viv1t", "viv1t2023")
"""To export; `make test-slow` does."""


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * (name in LONGEST)) for name in find.names()],
)
def test_the_bundle_answers_as_torch_on_real_clips(
    name: str, bundles: dict[str, Path], checkpoints: dict[str, Path], world: World
) -> None:
    store, saved = FrameStore.open(world.store), Checkpoint.read(checkpoints[name])
    encoder = saved.encoder().eval()
    predictor = load_predictor(bundles[name])
    for mouse in store.mice:
        clip = store[mouse].clip(store[mouse].select("live_test_main")[0].trial)
        run = torch_run(encoder, saved.population, mouse)
        expected = encoder.cut.predict(run, clip)
        np.testing.assert_allclose(predictor.predict(clip, mouse), expected, rtol=1e-3, atol=1e-4)
    parity = predictor.manifest.parity
    assert parity is not None
    assert parity.max_error <= TOLERANCE
    assert len(parity.lengths) >= 3


def test_the_graph_leaves_batch_and_neurons_open_and_frames_unless_windows_have_one_length(
    bundles: dict[str, Path],
) -> None:
    made = [bundles[name] for name in ("factorised3d", "dwiseneuro", "dynamic_v1fm", "gru", "viv1t")]
    for bundle in made:
        cut = Manifest.read(bundle).cut.cut()
        frames = int if isinstance(cut, Blocks) else str
        graph = onnx.load(bundle / "model.onnx").graph
        shapes = {
            value.name: [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
            for value in (*graph.input, *graph.output)
        }
        assert [type(dim) for dim in shapes["video"]] == [str, frames, int, int]
        assert [type(dim) for dim in shapes["responses"]] == [str, str, frames]
        assert frames is str or shapes["video"][1] == cut.frames
        assert isinstance(shapes["neurons"][0], str)


def test_the_manifest_names_what_made_it(bundles: dict[str, Path], world: World) -> None:
    manifest = Manifest.read(bundles["factorised3d"])
    assert manifest.provenance["data_checksum"] == FrameStore.open(world.store).checksum
    assert manifest.provenance["training"]["seed"] == 0
    assert set(manifest.files) == {"model.onnx", "weights.safetensors", "neurons.npz"}


def test_a_graph_that_answers_otherwise_is_refused_and_nothing_is_left(
    checkpoints: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_onnx = export_module.write_onnx

    def write_a_wrong_graph(encoder, example, path):  # type: ignore[no-untyped-def]
        bias = encoder.readout.bias.data
        bias += 0.5
        write_onnx(encoder, example, path)
        bias -= 0.5

    monkeypatch.setattr(export_module, "write_onnx", write_a_wrong_graph)
    with pytest.raises(ExportError, match="differs from torch"):
        export(checkpoints["linear_nonlinear"], tmp_path / "bundle")
    assert list(tmp_path.iterdir()) == []


def test_other_windows_may_be_chosen(
    checkpoints: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match="no overlapping windows"):
        export(checkpoints["linear_nonlinear"], tmp_path / "bundle", windows=(16, 4))
    monkeypatch.setattr(export_module, "write_bundle", lambda out, encoder, *_, **about: encoder.cut)
    as_configured = export(checkpoints["dwiseneuro"], tmp_path / "bundle")
    assert export(checkpoints["dwiseneuro"], tmp_path / "bundle", windows=(24, 16)) == replace(
        as_configured, frames=24, hop=16
    )


@pytest.mark.slow
def test_the_adaptive_fusion_of_dynamic_v1fm_is_exported_too(world: World, tmp_path: Path) -> None:
    settings, config = TrainSettings(epochs=1, steps=4, batch=4), {**SMALL["dynamic_v1fm"], "fusion": "adaptive"}
    trainer = Trainer(FrameStore.open(world.store), "dynamic_v1fm", config, settings)
    trainer.run_epoch()
    trainer.checkpoint().write(tmp_path / "checkpoint")
    parity = export(tmp_path / "checkpoint", tmp_path / "bundle").parity
    assert parity is not None
    assert parity.max_error <= TOLERANCE


def test_an_existing_bundle_is_not_overwritten(checkpoints: dict[str, Path], bundles: dict[str, Path]) -> None:
    with pytest.raises(DataError, match="exists already"):
        export(checkpoints["linear_nonlinear"], bundles["linear_nonlinear"])


def test_a_folder_without_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="is not a whole checkpoint"):
        export(tmp_path / "nothing", tmp_path / "bundle")
