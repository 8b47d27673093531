"""What cluster/onprem.yaml promises beside what all launcher files do; `test_onprem.py` launches it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.autoscaler._private.util import prepare_config

FILE = Path(__file__).parents[2] / "cluster" / "onprem.yaml"


@pytest.fixture(scope="module")
def prepared() -> dict[str, Any]:
    """The file as the launcher completes it."""
    return prepare_config(yaml.safe_load(FILE.read_text()))


def test_all_machines_are_kept(prepared: dict[str, Any]) -> None:
    [machine] = prepared["available_node_types"].values()
    assert machine["min_workers"] == machine["max_workers"] == len(prepared["provider"]["worker_ips"])
