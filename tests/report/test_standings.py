from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from sensorium_ray.report.standings import write_standings
from sensorium_ray.storage import write_json
from sensorium_ray.submissions.entries import team_key
from sensorium_ray.submissions.leaderboard import Leaderboard

FINAL = 0.123456789
"""A score of the final stage that must not be on a page before it is opened."""
SETTINGS = {
    "title": "Sensorium & friends",
    "store": "/data/store",
    "truth": None,
    "data": "0123456789abcdef",
    "benchmark": "sensorium2023",
    "window": "50..299",
    "normalisation": "raw",
    "limit_per_day": 3,
    "limit_total": 100,
    "founded": "2026-03-01T10:00:00.000000+00:00",
    "format": 1,
}


def score(value: float) -> dict[str, float | None]:
    return {"value": value, "low": value - 0.02, "high": value + 0.02}


def metrics(value: float) -> dict[str, dict[str, float | None]]:
    return {"single_trial_correlation": score(value), "correlation_to_average": score(2 * value)}


@pytest.fixture
def board(tmp_path: Path) -> Callable[..., Leaderboard]:
    """A leaderboard of teams with a live score each; its files are written here, since nothing is scored."""

    def found(teams: dict[str, float], opened: bool = False) -> Leaderboard:
        write_json(tmp_path / "board" / "leaderboard.json", SETTINGS)
        for number, (team, value) in enumerate(teams.items()):
            record = {
                "team": team,
                "note": "",
                "received": f"2026-03-0{number % 9 + 1}T10:00:00.000000+00:00",
                "number": 1,
                "file": "a.zip",
                "sha256": "",
                "warnings": [],
                "scores": {"main": {"live": metrics(value), "final": metrics(FINAL)}},
            }
            write_json(tmp_path / "board" / "teams" / team_key(team) / "0001" / "submission.json", record)
        if opened:
            write_json(tmp_path / "board" / "opened.json", {"opened": "2026-04-01T00:00:00.000000+00:00"})
        return Leaderboard.open(tmp_path / "board")

    return found


@pytest.fixture
def page(tmp_path: Path, board: Callable[..., Leaderboard]) -> Callable[..., str]:
    def write(teams: dict[str, float], opened: bool = False) -> str:
        out = tmp_path / "index.html"
        write_standings(board(teams, opened), out)
        return out.read_text()

    return write


class Tags(HTMLParser):
    """Collects what would run or be fetched."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


def test_teams_are_listed_by_rank_with_scores_and_intervals(page: Callable[..., str]) -> None:
    text = page({"second": 0.2, "first": 0.25, "also second": 0.2})
    assert re.findall(r"class='rank'>(\d)<.*?<bdi>(.*?)</bdi>", text) == [
        ("1", "first"),
        ("2", "second"),
        ("2", "also second"),
    ]
    assert "0.2500<small>0.2300 to 0.2700</small>" in text
    assert "Sensorium &amp; friends" in text
    for fact in ("single-trial correlation", "correlation to average", "50..299", "01 Mar 2026"):
        assert fact in text
    assert re.search(r"<dt>teams</dt><dd>3</dd>.*<dt>submissions</dt><dd>3</dd>", text)


def test_final_scores_are_on_the_page_only_once_they_are_open(page: Callable[..., str]) -> None:
    shown = f"{FINAL:.4f}"
    closed = page({"a": 0.2})
    assert shown not in closed
    assert "Final standings" not in closed
    assert "withheld" in closed
    opened = page({"a": 0.2}, opened=True)
    assert shown in opened
    assert "The final standings were opened on 01 Apr 2026" in opened


def test_a_team_cannot_put_code_on_the_page(page: Callable[..., str]) -> None:
    attacks = [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "' onload='alert(1)",
        "</bdi><svg/onload=x>",
    ]
    text = page({attack: 0.1 * place for place, attack in enumerate(attacks, start=1)})
    tags = Tags()
    tags.feed(text)
    assert not tags.tags & {"script", "img", "iframe", "link", "object", "embed", "base", "form", "a"}
    assert not [name for name in tags.attributes if name.startswith("on")]
    assert not tags.attributes & {"src", "href"}
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text


def test_a_page_fetches_nothing_and_runs_nothing(page: Callable[..., str]) -> None:
    text = page({"a": 0.2}, opened=True)
    assert "http" not in text
    assert "url(" not in text
    assert "@import" not in text


def test_a_track_without_submissions_says_so(page: Callable[..., str]) -> None:
    assert page({}).count("No submission yet.") == 2
