"""Files about the project say what it is now."""

import runpy
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]


def test_the_licences_are_those_of_the_dependencies() -> None:
    licences = runpy.run_path(str(ROOT / "docs" / "licences.py"))
    assert (ROOT / "docs" / "licences.md").read_text() == licences["page"](), "run python docs/licences.py"


def test_the_citation_names_this_version_and_the_benchmarks_papers() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == project["version"]
    assert citation["license"] == project["license"]
    urls = [paper["url"] for paper in citation["references"]]
    assert [url.rsplit("/", 1)[1] for url in urls] == ["2206.08666", "2305.19654", "2407.09100"]
