"""The guide: it is built without a warning, its commands are there, and its blocks of code run."""

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import typer
from guide import DOCS, FIRST, RUN, SHOWN, Block, blocks, commands
from typer.core import TyperGroup
from world import World

from sensorium_ray.cli import app
from sensorium_ray.free_ports import free_port

ROOT = DOCS.parent
PAGES = sorted(DOCS.glob("*.md"))
BLOCKS = [block for page in PAGES for block in blocks(page)]
FENCED = [block for block in BLOCKS if block.language]
RUNNABLE = [page for page in PAGES if any(block.page == page and block.language in RUN for block in FENCED)]
QUICK = {"data", "insilico", "quickstart"}
"""Pages that the ordinary suite runs; `make test-docs` runs all."""
LONGEST = 600
COMMAND = typer.main.get_command(app)


def _place(block: Block) -> str:
    return f"{block.page.stem}:{block.line}"


def _all_commands() -> list[tuple[str, list[str]]]:
    others = [block for name in ("README.md", "CONTRIBUTING.md") for block in blocks(ROOT / name)]
    return [(_place(block), words) for block in [*BLOCKS, *others] for words in commands(block.text)]


def test_the_guide_is_built_without_a_warning_and_its_links_lead_somewhere(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sphinx", "--fail-on-warning", "--quiet", "-D", "nb_execution_mode=off"]
    done = subprocess.run([*command, "-b", "html", DOCS, tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "index.html").exists()


@pytest.mark.parametrize(("place", "words"), _all_commands(), ids=lambda value: value if isinstance(value, str) else "")
def test_every_command_of_the_guide_and_the_readme_is_one(place: str, words: list[str]) -> None:
    command = COMMAND
    words = [word.strip("[]") for word in words]  # [--online]: it may be left out
    while isinstance(command, TyperGroup):
        assert words, f"{place}: `sensorium` alone"
        name, *words = words
        assert name in command.commands, f"{place}: there is no `{name}`"
        command = command.commands[name]
    with contextlib.suppress(typer.Exit):  # of --help
        command.make_context(command.name, words)


@pytest.mark.parametrize("block", FENCED, ids=_place)
def test_every_block_says_what_it_is_and_its_python_is_python(block: Block) -> None:
    assert block.language in (*RUN, *SHOWN)
    if block.language == "python":
        compile(block.text, block.page, "exec")


def test_few_blocks_are_not_run_and_they_say_why() -> None:
    skipped = [block for block in FENCED if block.language in RUN and block.reason]
    assert len(skipped) <= len([block for block in FENCED if block.language in RUN]) / 10, list(map(_place, skipped))


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, id=page.stem, marks=() if page.stem in QUICK else pytest.mark.slow) for page in RUNNABLE],
)
@pytest.mark.timeout(LONGEST + 60)
def test_the_blocks_of_a_page_run_one_after_another(page: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if any(block.text == FIRST for block in blocks(page)):
        world: World = request.getfixturevalue("world")
        for folder in (world.mice, world.store):
            (tmp_path / folder.name).symlink_to(folder)
    if any(block.file and block.file.parts[0] == "sensorium_ray" for block in blocks(page)):
        for folder in ("sensorium_ray", "tune_spaces", "tests"):
            shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", tmp_path)
    copy = tmp_path / "page" / page.name
    copy.parent.mkdir()
    copy.write_text(page.read_text().replace("8000", str(free_port())))
    _run(copy, tmp_path)


def _run(page: Path, folder: Path) -> None:
    """Run a page in a session of its own, and end what it leaves running, such as an endpoint."""
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    environment["PYTHONPATH"] = f"{folder}{os.pathsep}{ROOT}"  # a page may bring the package itself
    with (folder / "output.txt").open("w") as output:
        process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("guide.py"), page, folder],
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            status = process.wait(LONGEST)
        finally:
            _end(process)
    assert status == 0, (folder / "output.txt").read_text()[-5000:]


def _end(leader: subprocess.Popen[bytes]) -> None:
    """End what a page started, the eldest first: they end their own children, such as Ray's."""
    leader.terminate()
    leader.wait()
    left = [process for process in psutil.process_iter(["ppid"]) if _group(process.pid) == leader.pid]
    for process in left:
        if _group(process.info["ppid"]) != leader.pid:
            process.terminate()
    for process in psutil.wait_procs(left, timeout=60)[1]:
        process.kill()


def _group(pid: int) -> int | None:
    with contextlib.suppress(ProcessLookupError):
        return os.getpgid(pid)
    return None
