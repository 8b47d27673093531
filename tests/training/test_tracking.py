"""Curves in TensorBoard's files, and with services that may not be installed."""

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from sensorium_ray.errors import ConfigError
from sensorium_ray.training.tracking import open_tracker


def test_tensorboard_files_hold_the_curve(tmp_path: Path) -> None:
    from tensorboardX.proto.event_pb2 import Event

    tracker = open_tracker("tensorboard", tmp_path, {"epochs": 2})
    for epoch, loss in ((1, 0.5), (2, 0.25)):
        tracker.log({"loss": loss}, epoch)
    tracker.close()
    (file,) = (tmp_path / "tensorboard").iterdir()
    events, data = [], file.read_bytes()
    while data:  # length (8 bytes), its checksum (4), the event, its checksum (4)
        size = int.from_bytes(data[:8], "little")
        events.append(Event.FromString(data[12 : 12 + size]))
        data = data[16 + size :]
    found = [(e.step, v.simple_value) for e in events for v in e.summary.value if v.tag == "loss"]
    assert found == [(1, 0.5), (2, 0.25)]


def test_mlflow_is_given_settings_and_curve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[object] = []
    fake = ModuleType("mlflow")
    fake.start_run = lambda run_name: said.append(("start", run_name))  # type: ignore[attr-defined]
    fake.log_params = said.append  # type: ignore[attr-defined]
    fake.log_metrics = lambda values, step: said.append((values, step))  # type: ignore[attr-defined]
    fake.end_run = lambda: said.append("end")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "mlflow", fake)
    tracker = open_tracker("mlflow", tmp_path / "mine", {"epochs": 2})
    tracker.log({"loss": 0.5}, 1)
    tracker.close()
    assert said == [("start", "mine"), {"epochs": 2}, ({"loss": 0.5}, 1), "end"]


def test_wandb_is_given_settings_and_curve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[object] = []
    run = SimpleNamespace(log=lambda values, step: said.append((values, step)), finish=lambda: said.append("end"))
    fake = ModuleType("wandb")
    fake.init = lambda **given: said.append(given) or run  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "wandb", fake)
    tracker = open_tracker("wandb", tmp_path / "mine", {"epochs": 2})
    tracker.log({"loss": 0.5}, 1)
    tracker.close()
    given, *rest = said
    assert given == {"project": "sensorium", "name": "mine", "dir": str(tmp_path / "mine"), "config": {"epochs": 2}}
    assert rest == [({"loss": 0.5}, 1), "end"]


def test_a_service_that_is_not_installed_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(ConfigError, match="track: mlflow is not installed; pip install mlflow"):
        open_tracker("mlflow", tmp_path, {})
    with pytest.raises(ConfigError, match="'comet' is unknown; known: tensorboard, mlflow, wandb"):
        open_tracker("comet", tmp_path, {})
