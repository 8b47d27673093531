"""The guide's blocks of code: which there are, the commands in them, and how those of a page are run.

    python tests/guide.py docs/quickstart.md FOLDER

runs a page in a folder. Its blocks are run in order: bash ones by `bash -euo pipefail`, Python ones in this process,
where they share their names. A block whose first line is `# file: PATH` is written there instead, one with
`# not run: REASON` is passed over. What several pages have in common, such as how data are made, is run once in a
folder.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

DOCS = Path(__file__).parents[1] / "docs"
RUN, SHOWN = ("bash", "python"), ("text", "json", "yaml")
"""Languages of blocks that are run or written, and of those that are only shown."""

RAN = Path("ran.json")
_NOT_RUN = re.compile(r"# not run: (.+)\n")
_FILE = re.compile(r"# file: (\S+)\n")
_SEPARATORS = re.compile(r"[();<>|&]+")


@dataclass(frozen=True)
class Block:
    """A block of code: `line` is where its fence is; `language` is empty where it is indented."""

    page: Path
    line: int
    language: str
    text: str

    @property
    def reason(self) -> str | None:
        """Why it is not run; None: it is."""
        found = _NOT_RUN.match(self.text)
        return found and found[1]

    @property
    def file(self) -> Path | None:
        """Where it is written; None: it is run."""
        found = _FILE.match(self.text)
        return None if found is None else Path(found[1])

    @property
    def once(self) -> bool:
        """Whether what it leaves in a folder is all that it does: it leaves no process and no names."""
        return self.language == "bash" and not re.search(r"&$", self.text, re.MULTILINE)

    def run(self, names: dict[str, object]) -> None:
        """Run or write it in the current folder, and stop where it fails."""
        print(f"--- {self.page.name}:{self.line}", flush=True)
        if self.file is not None:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            self.file.write_text(self.text.partition("\n")[2])
        elif self.language == "python":
            exec(compile("\n" * self.line + self.text, self.page, "exec"), names)
        else:
            subprocess.run(["bash", "-euo", "pipefail", "-c", self.text], stdin=subprocess.DEVNULL, check=True)


def blocks(page: Path) -> list[Block]:
    """All blocks of a page, in order; directives, such as a table of contents, are none."""
    found = []
    for token in MarkdownIt().parse(page.read_text()):
        if token.type in ("fence", "code_block") and not token.info.startswith("{"):
            assert token.map is not None
            found.append(Block(page, token.map[0] + 1, token.info, token.content))
    return found


def commands(text: str) -> list[list[str]]:
    """The arguments of every `sensorium …` in the lines of a shell, also of those that another command is to run."""
    found: list[list[str]] = []
    for line in text.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        try:
            words = [*lexer, ";"]
        except ValueError:  # a quotation mark that the next line closes: no command of ours
            continue
        starts = [place for place, word in enumerate(words) if word == "sensorium" and _begins(words[:place])]
        for start in starts:
            stop = next(place for place in range(start, len(words)) if _SEPARATORS.fullmatch(words[place]))
            found.append(words[start + 1 : stop])
    return found


def _begins(before: list[str]) -> bool:
    """Whether a command begins after these words."""
    return not before or before[-1] in ("--", "$") or "=" in before[-1] or bool(_SEPARATORS.fullmatch(before[-1]))


def main(page: Path, folder: Path) -> None:
    """Run a page in a folder, but for what was run there before, which is remembered in `ran.json`."""
    runnable = [block for block in blocks(page.absolute()) if block.language in RUN and block.reason is None]
    os.chdir(folder)
    ran: list[str] = json.loads(RAN.read_text()) if RAN.exists() else []
    names: dict[str, object] = {"__name__": "__main__"}
    for block in runnable:
        if not (block.once and block.text in ran):
            block.run(names)
            ran.append(block.text)
            RAN.write_text(json.dumps(ran))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
