"""What the tests of clusters share: cluster.yaml as a lab would fill it in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
IMAGE = "ami-0123456789abcdef0"


@pytest.fixture
def filled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """Its content, at home in a folder with a token, where all that it copies is there."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("0123456789abcdef0123456789abcdef")
    text = (ROOT / "cluster.yaml").read_text().replace("ami-REPLACE_AMI", IMAGE)
    return yaml.safe_load(text.replace("REPLACE_BUCKET", "lab-sensorium"))
