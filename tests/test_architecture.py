"""The house: a room imports only from rooms above it, and Ray and torch stay in theirs."""

import ast
from pathlib import Path

import pytest
from loaded import loaded

PACKAGE = Path(__file__).parents[1] / "sensorium_ray"

ROOMS = (
    "errors",
    "ports",
    "version",
    "settings",
    "benchmark",
    "storage",
    "results",
    "cache",
    "progress",
    "compute",
    "metrics",
    "data",
    "models",
    "published",
    "training",
    "bundle",
    "scoring",
    "ensembling",
    "submissions",
    "search",
    "report",
    "client",
    "insilico",
    "serving",
    "cluster",
    "cli",
)
"""From the ground up; docs/architecture.md lists the same."""

RAY = {
    "cluster/aws.py",
    "cluster/commands.py",
    "cluster/launcher.py",
    "cluster/rayservice.py",
    "cluster/spelling.py",
    "compute.py",
    "data/ingest.py",
    "scoring/actors.py",
    "search/budget.py",
    "search/diversity.py",
    "search/keeping.py",
    "search/live.py",
    "search/outcome.py",
    "search/points.py",
    "search/scheduler.py",
    "search/spaces.py",
    "search/sweep.py",
    "search/tune_trial.py",
    "search/tuner.py",
    "serving/building.py",
    "serving/deployment.py",
    "serving/runner.py",
    "serving/workers.py",
    "training/distributed.py",
}
TORCH = {"models", "published", "training", "search"}
TORCH_FILES = {"bundle/export.py", "insilico/gradients.py"}


def _imports(path: Path) -> set[str]:
    """Absolute names of what a file imports, anywhere in it."""
    package = ("sensorium_ray", *path.relative_to(PACKAGE).parent.parts)
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            prefix = ".".join((*base, *([node.module] if node.module else [])))
            found |= {f"{prefix}.{alias.name}" for alias in node.names}
    return found


def _files() -> list[Path]:
    return [path for path in sorted(PACKAGE.rglob("*.py")) if path != PACKAGE / "__init__.py"]


def _name(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


@pytest.mark.parametrize("path", _files(), ids=_name)
def test_a_room_imports_only_from_rooms_above_it(path: Path) -> None:
    here = ROOMS.index(path.relative_to(PACKAGE).parts[0].removesuffix(".py"))
    for name in _imports(path):
        if name.startswith("sensorium_ray."):
            room = name.split(".")[1]
            assert ROOMS.index(room) <= here, f"{_name(path)} imports {name}"


@pytest.mark.parametrize("path", _files(), ids=_name)
def test_ray_and_torch_stay_in_their_rooms(path: Path) -> None:
    roots = {name.split(".")[0] for name in _imports(path)}
    name = _name(path)
    assert "ray" not in roots or name in RAY, f"{name} imports ray"
    assert "torch" not in roots or name.split("/")[0] in TORCH or name in TORCH_FILES, f"{name} imports torch"


def test_the_command_line_and_the_package_start_without_heavy_libraries() -> None:
    assert loaded("import sensorium_ray, sensorium_ray.cli", "ray", "torch", "onnxruntime", "numpy") == "[]"


def test_the_public_names_are_complete_and_sorted() -> None:
    import sensorium_ray

    assert sensorium_ray.__all__ == sorted(sensorium_ray.__all__)
    assert all(getattr(sensorium_ray, name) is not None for name in sensorium_ray.__all__)
