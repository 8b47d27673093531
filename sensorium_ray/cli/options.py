"""Help texts, and forms of values, that several commands share."""

import json
from typing import Any

from ..errors import ConfigError

FRAMES = (
    "Frames of a trial that count, both ends included: 50..299 (default of 2023), the winner's 50..298, or 50..end; "
    "0..0 of 2022."
)
ADDRESS = "Ray cluster to run on; this machine unless given."
TRACK = "Track of the benchmark (main, ood; of 2022: sensorium, sensorium+), or both."
WINDOWS = (
    "DwiseNeuro: frames of its windows, and how many lie between two windows' starts: 16/8 unless given; 16/1 is "
    "the winner's way, 24/16 the fastest at little loss (benchmarks/README.md)."
)


def read_windows(text: str | None) -> tuple[int, int] | None:
    """Value of `--windows`; None: not given.

    Raises
    ------
    ConfigError : it is not FRAMES/STEP.
    """
    return None if text is None else pair("--windows", text, "FRAMES/STEP, such as 24/16")


def read_setting(text: str) -> tuple[str, Any]:
    """Value of `--set`, NAME=VALUE; a value that is not JSON is taken as it stands.

    Raises
    ------
    ConfigError : it is not NAME=VALUE.
    """
    name, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"'{text}' is no setting", "--set", "give NAME=VALUE")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def pair(option: str, text: str, form: str) -> tuple[int, int]:
    """Two numbers from 'A/B', the first not 0.

    Raises
    ------
    ConfigError : it is something else; the sentence shows the `form`.
    """
    first, _, second = text.partition("/")
    if not (first.isdecimal() and second.isdecimal() and int(first)):
        raise ConfigError(f"is '{text}'", option, f"give {form}")
    return int(first), int(second)
