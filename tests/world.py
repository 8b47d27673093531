"""Simulated mice of the tiny scale, and their frame store; the `world` fixture makes it."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class World:
    """Folders that all tests read and none writes into."""

    mice: Path
    store: Path
