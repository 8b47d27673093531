"""Write docs/licences.md from what the installed packages say of themselves: python docs/licences.py."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import Distribution, distribution
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = Path(__file__).with_suffix(".md")

HEAD = """\
# Licences

sensorium-ray is published under the MIT licence. This page is written by `docs/licences.py` from the metadata of the
installed packages; versions are those of `constraints.txt`, reasons are in [dependencies](dependencies.md). What these
packages bring along has licences of its own: `pip show NAME` tells them.
"""
TAIL = """
## What is shipped

Beside our own code the package holds schemas of KubeRay's kinds, as data (`sensorium_ray/cluster/crds`): Apache
License 2.0, whose text and notice lie beside them.

## What is not

No data of the benchmarks and no weights that others published are distributed here; each has its authors' terms. The
networks are written anew after the papers and the public code.
"""
"""What no metadata tells."""


def requirements() -> dict[str, list[str]]:
    """Names of packages by what asks for them: the package itself, and its extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = {"to run": project["dependencies"], **project["optional-dependencies"]}
    return {who: sorted({re.split(r"[\[=<>]", each)[0] for each in names}) for who, names in asked.items()}


def licence(package: Distribution) -> str:
    """In one line: the SPDX expression, or else what the classifiers or the licence field say."""
    facts = package.metadata
    lines = [line for line in facts.get_all("Classifier", []) if line.startswith("License :: OSI Approved :: ")]
    classified = [line.rsplit(" :: ", 1)[1] for line in lines]
    named = (facts.get("License") or "").strip().split("\n")[0]
    return facts.get("License-Expression") or ", ".join(classified) or named or "not told"


def page() -> str:
    """All of it."""
    parts = [HEAD]
    for who, names in requirements().items():
        title = "Needed to run" if who == "to run" else f"The extra `{who}`"
        parts.append(f"\n## {title}\n\n| package | licence |\n|---|---|\n")
        parts += [f"| {name} | {licence(distribution(name))} |\n" for name in names]
    return "".join([*parts, TAIL])


if __name__ == "__main__":
    PAGE.write_text(page())
