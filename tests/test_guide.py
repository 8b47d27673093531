"""The guide: it is built without a warning, and its commands and blocks are what they say."""

import contextlib
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from guide import DOCS, RUN, SHOWN, Block, blocks, commands
from typer.core import TyperGroup

from sensorium_ray.cli import app

ROOT = DOCS.parent
PAGES = sorted(DOCS.glob("*.md"))
BLOCKS = [block for page in PAGES for block in blocks(page)]
FENCED = [block for block in BLOCKS if block.language]
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
