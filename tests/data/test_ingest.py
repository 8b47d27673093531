from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from fake_mouse import MOUSE, write_mouse

from sensorium_ray import storage
from sensorium_ray.data import ingest as module
from sensorium_ray.data.ingest import ingest
from sensorium_ray.data.store import FrameStore, verify
from sensorium_ray.errors import DataError

INGEST = "import sys; from pathlib import Path; from sensorium_ray.data.ingest import ingest; " + (
    "ingest(Path(sys.argv[1]), Path(sys.argv[2]))"
)


@pytest.fixture
def mice(tmp_path: Path) -> Path:
    write_mouse(tmp_path / "mice")
    return tmp_path / "mice"


def contents(folder: Path) -> dict[str, str]:
    """Hash of every file but source.json, which tells the raw files' times."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "source.json"]
    return {str(path.relative_to(folder)): storage.sha256(path) for path in files}


def times(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def kill_when(command: list[str], ready: Callable[[], bool]) -> None:
    """Start a process, and kill it and its children as soon as `ready`."""
    process = subprocess.Popen(command, start_new_session=True, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not ready():
        assert process.poll() is None, process.communicate()[1].decode()
        assert time.monotonic() < deadline
        time.sleep(0.001)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_killed_ingest_goes_on_where_it_was(ray_session: None, tmp_path: Path) -> None:
    raw, store = tmp_path / "mice", tmp_path / "store"
    write_mouse(raw, more=300)
    trials = store / MOUSE / "trials"
    command = [sys.executable, "-c", INGEST, str(raw), str(store)]
    kill_when(command, lambda: len(list(trials.glob("*.npy"))) > 20)
    assert not (store / "store.json").exists()
    with pytest.raises(DataError, match="is no finished frame store"):
        FrameStore.open(store)
    left = {path: changed for path, changed in times(trials).items() if path.suffix == ".npy"}
    assert 20 < len(left) < 300
    (trials / "0.npy.123.partial").write_bytes(b"half a trial")
    finished = ingest(raw, store)
    assert left.items() <= times(trials).items()
    assert contents(store) == contents(ingest(raw, tmp_path / "uninterrupted").path)
    assert verify(finished) == 318


def test_kill_between_mice_and_store_json(ray_session: None, mice: Path, tmp_path: Path) -> None:
    write_mouse(mice, "dynamic2", seed=1)
    whole = ingest(mice, tmp_path / "store")
    before = contents(whole.path)
    (whole.path / "store.json").unlink()
    (whole.path / "dynamic2" / "mouse.json").unlink()
    (whole.path / "dynamic2" / "trials.csv").unlink()
    assert ingest(mice, whole.path).mice == [MOUSE, "dynamic2"]
    assert contents(whole.path) == before


def test_kill_before_the_first_file(ray_session: None, mice: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    (store / MOUSE).mkdir(parents=True)
    (store / MOUSE / "source.json.123.partial").write_text("")
    (store / "store.json.123.partial").write_text("")
    assert verify(ingest(mice, store)) == 18


def test_unfinished_store_of_changed_mice_is_made_anew(ray_session: None, mice: Path, tmp_path: Path) -> None:
    store = ingest(mice, tmp_path / "store").path
    (store / "store.json").unlink()
    shutil.rmtree(mice / MOUSE)
    write_mouse(mice, seed=1)
    assert contents(ingest(mice, store).path) == contents(ingest(mice, tmp_path / "fresh").path)


def test_finished_store_is_left_alone(
    ray_session: None, mice: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = ingest(mice, tmp_path / "store").path
    before = times(store)
    assert ingest(mice, store).mice == [MOUSE]
    assert times(store) == before
    assert "is complete already" in capsys.readouterr().err
    write_mouse(mice, "dynamic2")
    with pytest.raises(DataError, match="exists already, made from other mice"):
        ingest(mice, store)
    shutil.rmtree(mice / "dynamic2")
    os.utime(mice / MOUSE / "data" / "videos" / "0.npy")
    with pytest.raises(DataError, match="exists already, made from other mice or from files that have changed"):
        ingest(mice, store)
    assert times(store) == before


def test_other_folders_are_refused_and_left_alone(mice: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.tex").write_text("")
    (tmp_path / "file").write_text("")
    for store, what in (
        ("thesis", "holds 'chapter1.tex'"),
        ("mice", f"holds '{MOUSE}'"),
        ("file", "is a file"),
    ):
        before = times(tmp_path)
        with pytest.raises(DataError, match=what):
            ingest(mice, tmp_path / store)
        assert times(tmp_path) == before


def test_store_that_cannot_be_made(mice: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"lies below something that is not a folder; .*name another place"):
        ingest(mice, tmp_path / "file" / "store")


def test_fault_of_a_trial_comes_back_as_it_was_raised(ray_session: None, mice: Path, tmp_path: Path) -> None:
    path = mice / MOUSE / "data" / "responses" / "4.npy"
    whole = path.read_bytes()
    path.write_bytes(whole[:-50])
    with pytest.raises(DataError) as caught:
        ingest(mice, tmp_path / "store")
    assert type(caught.value) is DataError
    assert str(caught.value) == f"{path}: is cut off or damaged; copy or download it again"
    assert not (tmp_path / "store" / "store.json").exists()
    assert not (tmp_path / "store" / MOUSE / "trials" / "4.npy").exists()
    path.write_bytes(whole)
    assert verify(ingest(mice, tmp_path / "store")) == 18


def test_videos_of_two_sizes(ray_session: None, mice: Path, tmp_path: Path) -> None:
    path = mice / MOUSE / "data" / "videos" / "4.npy"
    np.save(path, np.load(path)[:, :5])
    with pytest.raises(DataError, match=r"videos/4\.npy: has 4x5 pixels, trial 0 has 4x6"):
        ingest(mice, tmp_path / "store")


def test_mouse_without_training_trials(mice: Path, tmp_path: Path) -> None:
    path = mice / MOUSE / "meta" / "trials" / "tiers.npy"
    tiers = np.load(path)
    np.save(path, np.where(tiers == "train", "oracle", tiers))
    with pytest.raises(DataError, match="has no trial of tier 'train'"):
        ingest(mice, tmp_path / "store")


def test_disk_that_is_too_small(mice: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage._replace(free=10_000))
    with pytest.raises(DataError, match=r"needs 4\.75e-05 GB, the disk has 1e-05 GB free; free some space"):
        ingest(mice, tmp_path / "store")
    assert not (tmp_path / "store").exists()


def test_truth_is_not_taken_in(ray_session: None, mice: Path, tmp_path: Path) -> None:
    shutil.copytree(mice / MOUSE, mice / "truth" / MOUSE)
    assert ingest(mice, tmp_path / "store").mice == [MOUSE]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting needs root")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


@pytest.mark.privileged
def test_full_disk(ray_session: None, tmp_path: Path, small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = tmp_path / "mice"
    write_mouse(raw, more=600)
    with pytest.raises(DataError, match=r"the disk has 0\.00105 GB free"):
        ingest(raw, small_disk / "store")
    monkeypatch.setattr(module, "_require_space", lambda *_: None)
    with pytest.raises(DataError, match="the disk is full; free some space"):
        ingest(raw, small_disk / "store")
    trials = small_disk / "store" / MOUSE / "trials"
    sizes = {path.stat().st_size for path in trials.glob("*.npy")}
    assert len(list(trials.glob("*.npy"))) > 100
    assert len(sizes) <= 2  # of 20 frames and of 19, none of less
    assert not list(trials.glob("*.partial"))
    assert not (small_disk / "store" / "store.json").exists()
    subprocess.run(["mount", "-o", "remount,size=20m", str(small_disk)], check=True)
    assert verify(ingest(raw, small_disk / "store")) == 618


def run_cli(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from sensorium_ray.cli import main; main()", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_command_line_tells_input_errors_in_one_line(mice: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    nothing = run_cli("ingest", tmp_path / "empty", tmp_path / "store")
    assert nothing.returncode == 1
    assert nothing.stderr.startswith(f"error: {tmp_path}/empty: holds no mouse")
    assert nothing.stderr.count("\n") == 1
    path = mice / MOUSE / "data" / "videos" / "4.npy"
    path.write_bytes(path.read_bytes()[:-50])
    cut = run_cli("ingest", mice, tmp_path / "store")
    assert cut.returncode == 1
    *progress, last = cut.stderr.splitlines()
    assert last == f"error: {path}: is cut off or damaged; copy or download it again"
    assert all(line.startswith("ingest: ") for line in progress)
    assert cut.stdout == ""
