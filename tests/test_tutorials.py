"""The tutorials run as they are, as scripts; `make docs` runs them for the guide and keeps what they show."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TUTORIALS = sorted((Path(__file__).parents[1] / "examples" / "tutorials").glob("*.py"))
LONGER = {"model", "submission"}
"""Each takes most of a minute, and goes the way that the guide's pages do (test_main_job.py)."""


@pytest.mark.parametrize(
    "tutorial",
    [pytest.param(path, id=path.stem, marks=pytest.mark.slow if path.stem in LONGER else ()) for path in TUTORIALS],
)
def test_a_tutorial_runs(tutorial: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, tutorial],
        cwd=tmp_path,
        env=os.environ | {"MPLBACKEND": "agg"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-5000:]
