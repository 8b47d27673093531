"""The client and the commands, against a real `sensorium serve` in a process of its own."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from serving.endpoints import SENSORIUM, Awaited, Running, gone, serving, starting, until

from sensorium_ray import storage
from sensorium_ray.bundle.manifest import Manifest
from sensorium_ray.bundle.predictor import load_predictor
from sensorium_ray.client.clients import SensoriumClient
from sensorium_ray.data.clip import CLIP_ARRAYS, Clip
from sensorium_ray.errors import BundleError, ConfigError, EndpointError, InputError
from sensorium_ray.ports import free_port
from sensorium_ray.serving.settings import Settings


@pytest.fixture(scope="module")
def served(bundles: Path) -> Iterator[Running]:
    with serving(bundles) as (found, said):
        assert said == f"serving tiny at {found.url} until Ctrl-C; try\n"
        yield found


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*SENSORIUM, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)


def test_the_endpoint_answers_exactly_as_the_predictor(
    served: Running, bundles: Path, make_clip: Callable[..., Clip]
) -> None:
    predictor = load_predictor(bundles / "tiny")
    client, awaited = SensoriumClient(served.url), Awaited(served.url)
    assert [model["name"] for model in client.models()] == ["tiny"]
    for frames in (1, 50, 431):
        for mouse in predictor.mice:
            clip = make_clip(frames)
            expected = predictor.predict(clip, mouse)
            for answer in (client.predict("tiny", clip, mouse), awaited.predict("tiny", clip, mouse)):
                np.testing.assert_array_equal(answer.values, expected, strict=True)


def test_the_client_raises_the_servers_sentences(served: Running, clip: Clip, make_clip: Callable[..., Clip]) -> None:
    client = SensoriumClient(served.url)
    with pytest.raises(EndpointError, match="model: there is none of the name 'a b' here; known are tiny"):
        client.predict("a b", clip, "mouse-a")
    with pytest.raises(EndpointError, match="mouse: 'x' is none of model 'tiny'; known are mouse-a, mouse-b"):
        client.predict("tiny", clip, "x")
    with pytest.raises(EndpointError, match=r"behavior: has shape \(3, 10\) beside a video of 10 frames"):
        client.predict("tiny", Clip(make_clip(10).video, np.zeros((3, 10)), np.zeros((2, 10))), "mouse-a")


def test_predict_writes_the_answer_to_a_clip_or_a_trial(
    served: Running, bundles: Path, clip: Clip, tmp_path: Path
) -> None:
    expected = load_predictor(bundles / "tiny").predict(clip, "mouse-a")
    arrays = {name: getattr(clip, name) for name in CLIP_ARRAYS}
    np.savez(tmp_path / "clip.npz", allow_pickle=False, **arrays)
    rows = np.zeros(
        clip.frames,
        [("video", "f4", (4, 6)), ("responses", "f4", 3), ("behavior", "f4", 2), ("pupil_center", "f4", 2)],
    )
    for name, array in arrays.items():
        rows[name] = array if name == "video" else array.T
    np.save(tmp_path / "7.npy", rows)

    asked = ("predict", served.url, "tiny")
    told = run(*asked, tmp_path / "clip.npz", "--mouse", "mouse-a", "--out", tmp_path / "answer.npz", "--json")
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout)["frames"] == clip.frames
    with np.load(tmp_path / "answer.npz") as archive:
        np.testing.assert_array_equal(archive["responses"], expected, strict=True)
        np.testing.assert_array_equal(archive["unit_ids"], [5, 7, 9])
        np.testing.assert_allclose(archive["times"], np.arange(clip.frames) / 30)
    told = run(*asked, tmp_path / "7.npy", "--mouse", "mouse-a", "--out", tmp_path / "answer.npy")
    assert told.returncode == 0, told.stderr
    np.testing.assert_array_equal(np.load(tmp_path / "answer.npy"), expected, strict=True)


def test_models_are_added_and_removed_while_it_runs(served: Running, bundles: Path, clip: Clip) -> None:
    client = SensoriumClient(served.url)
    with storage.atomic_path(bundles / "second") as partial:
        shutil.copytree(bundles / "tiny", partial)
        Manifest.read(partial).model_copy(update={"name": "second"}).write(partial)
    until(lambda: [model["name"] for model in client.models()] == ["second", "tiny"])
    np.testing.assert_array_equal(client.predict("second", clip, "mouse-b"), client.predict("tiny", clip, "mouse-b"))
    shutil.rmtree(bundles / "second")
    until(lambda: [model["name"] for model in client.models()] == ["tiny"])
    with pytest.raises(EndpointError, match="there is none of the name 'second' here"):
        client.predict("second", clip, "mouse-b")


def test_a_port_in_use_is_one_sentence(served: Running, bundles: Path) -> None:
    told = run("serve", bundles, "--port", served.url.rpartition(":")[2])
    assert told.returncode == 1
    assert told.stderr.startswith("error: 127.0.0.1:")
    assert "cannot be listened on (Address already in use)" in told.stderr
    assert told.stderr.count("\n") == 1


def test_sigterm_ends_it_and_all_that_it_started(served: Running) -> None:
    served.process.send_signal(signal.SIGTERM)
    assert served.process.wait(15) == 0
    assert served.process.stderr is not None
    assert served.process.stderr.read() == ""
    assert served.processes() == []


@pytest.mark.slow
def test_sigterm_ends_it_while_it_starts_too(bundles: Path) -> None:
    with starting(bundles) as found:
        until(lambda: bool(found.processes("bin/haproxy -f")))
        found.process.send_signal(signal.SIGTERM)
        assert found.process.wait(120) == 0
        assert gone(found)
        assert found.process.stderr is not None
        assert found.process.stderr.read() == ""


@pytest.mark.slow
def test_a_port_that_is_taken_while_it_starts_is_told_in_one_sentence(bundles: Path) -> None:
    with starting(bundles) as found:
        until(lambda: bool(found.processes("gcs_server")))
        port = int(found.url.rsplit(":", 1)[1])
        with socket.create_server(("127.0.0.1", port)):
            assert found.process.wait(120) == 1
        assert found.process.stderr is not None
        assert found.process.stderr.read() == (
            f"error: 127.0.0.1:{port}: cannot be listened on (Address already in use); "
            "name another with --host or --port\n"
        )


def test_a_folder_without_bundles_is_refused(tmp_path: Path) -> None:
    from sensorium_ray.serving import runner

    with pytest.raises(BundleError, match="holds no bundle"):
        runner.start(tmp_path, Settings(port=free_port()))


def test_logs_that_cannot_be_written_are_told_before_anything_starts(bundles: Path, tmp_path: Path) -> None:
    from sensorium_ray.serving import runner

    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file: cannot be written to \(File exists\); name another with --logs"):
        runner.start(bundles, Settings(port=free_port(), log_folder=tmp_path / "file"))


@pytest.mark.parametrize("setting", [{"worker_gpus": 0.5}, {"batch": 4}])
def test_what_workers_are_to_have_needs_workers(setting: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="are asked for without workers; ask for some with --workers"):
        Settings(**setting)
