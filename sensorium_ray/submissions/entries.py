"""What a leaderboard writes down and tells: its settings, submissions, receipts and standings."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from ..benchmark import Stage
from ..errors import DataError, SubmissionError
from ..metrics.definitions import METRICS, RANKED_BY
from ..storage import read_json, sha256_of
from .evaluation import Scores

FORMAT = 1
"""Version of a leaderboard's folder."""
TIE = 1e-12
"""Scores that differ by no more share a rank."""

_LONGEST_NAME = 50
_LONGEST_NOTE = 500

Step = Literal["checking", "scoring"]
"""What is being done with a submission."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a leaderboard was founded with.

    Parameters
    ----------
    title : for readers.
    store, truth : folders; truth is None where the store has the responses.
    data : checksum of the store.
    benchmark : its name.
    window : name of the frames that count.
    normalisation : one of `recording.NORMALISATIONS`.
    limit_per_day : submissions of a team in a UTC day; limit_total : ever.
    founded : ISO 8601, UTC.
    """

    title: str
    store: str
    truth: str | None
    data: str
    benchmark: str
    window: str
    normalisation: str
    limit_per_day: int
    limit_total: int
    founded: str
    format: int = FORMAT


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a team is told about its submission.

    Parameters
    ----------
    team, received : who, and when (ISO 8601, UTC).
    number : of the team's submission, from 1; None: refused, which does not count.
    faults, warnings : sentences.
    scores : of the live stage, `scores[track][metric]`.
    withheld : tracks whose final stage was scored, too.
    left_today, left : submissions that the team may still make.
    """

    team: str
    received: str
    number: int | None
    faults: tuple[str, ...]
    warnings: tuple[str, ...]
    scores: dict[str, Scores]
    withheld: tuple[str, ...]
    left_today: int
    left: int

    @classmethod
    def of_json(cls, found: dict[str, Any]) -> Receipt:
        """A receipt from its `asdict`, read from JSON."""
        told = found | {name: tuple(found[name]) for name in ("faults", "warnings", "withheld")}
        told["scores"] = {track: _in_order(scores) for track, scores in found["scores"].items()}
        return cls(**told)

    @property
    def accepted(self) -> bool:
        """Whether it counts."""
        return self.number is not None


@dataclass(frozen=True, slots=True)
class Standing:
    """One line of the standings.

    Parameters
    ----------
    rank : from 1; equal scores share one, and the next is skipped: 1, 2, 2, 4.
    number : of the team's submission that counts here; submissions : how many count for this track and stage.
    received : when it came, ISO 8601, UTC.
    scores : by metric, in the order of `METRICS`; the first one ranks.
    """

    rank: int
    team: str
    number: int
    submissions: int
    received: str
    scores: Scores


@dataclass(frozen=True, slots=True)
class Record:
    """A submission as it is written down.

    Parameters
    ----------
    team, note, received : who, what they say of it, and when it came (ISO 8601, UTC).
    number : of the team's submissions, from 1.
    file, sha256 : name of what was sent, and its checksum.
    warnings : sentences.
    scores : `scores[track][stage][metric]`.
    """

    team: str
    note: str
    received: str
    number: int
    file: str
    sha256: str
    warnings: list[str]
    scores: dict[str, dict[str, Scores]]

    @classmethod
    def read(cls, path: Path) -> Record:
        """Read a submission.json.

        Raises
        ------
        DataError : it is none.
        """
        try:
            return cls(**read_json(path))
        except TypeError as error:
            raise DataError(f"is no submission's record ({error})", str(path)) from error


def ranked(records: Iterable[Record], track: str, stage: Stage) -> list[Standing]:
    """Standings of a track and stage, best first; of teams with equal scores the earlier submission first.

    Of a team's submissions counts, in the live stage, the best one; in the final stage the last one, since
    the best of many on responses that nobody has seen would reward sending many.
    """
    by_team: dict[str, list[Record]] = {}
    for record in sorted(records, key=lambda record: record.number):
        if stage in record.scores.get(track, {}):
            by_team.setdefault(team_key(record.team), []).append(record)
    chosen = [(_best(sent, track) if stage == "live" else sent[-1], len(sent)) for sent in by_team.values()]
    left = sorted(chosen, key=lambda entry: _ranking_score(entry[0], track, stage), reverse=True)
    standings: list[Standing] = []
    while left:
        best = _ranking_score(left[0][0], track, stage)
        tied = [entry for entry in left if _ranking_score(entry[0], track, stage) >= best - TIE]
        left = left[len(tied) :]
        rank = len(standings) + 1
        for record, count in sorted(tied, key=lambda entry: (entry[0].received, entry[0].team)):
            scores = _in_order(record.scores[track][stage])
            standings.append(Standing(rank, record.team, record.number, count, record.received, scores))
    return standings


def _in_order(scores: Scores) -> Scores:
    """In the order of `METRICS`, since a JSON file has its own."""
    return {metric: scores[metric] for metric in METRICS if metric in scores}


def _best(sent: Sequence[Record], track: str) -> Record:
    """The best live one, of equals the first."""
    return max(sent, key=lambda record: (_ranking_score(record, track, "live"), -record.number))


def _ranking_score(record: Record, track: str, stage: Stage) -> float:
    """A score that is unknown ranks last."""
    value = record.scores[track][stage][RANKED_BY]["value"]
    return float("-inf") if value is None else value


def checked_name(team: str) -> str:
    """A team's name as it is shown.

    Raises
    ------
    SubmissionError : it is empty, too long, or not printable.
    """
    name = unicodedata.normalize("NFC", team).strip()
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        mend = f"use 1 to {_LONGEST_NAME} printable characters"
        raise SubmissionError("is no name for a team", repr(team[: 2 * _LONGEST_NAME]), mend)
    return name


def checked_note(note: str) -> str:
    """A team's own words.

    Raises
    ------
    SubmissionError : they are too many.
    """
    if len(note) > _LONGEST_NOTE:
        raise SubmissionError(f"has {len(note)} characters", "note", f"use {_LONGEST_NOTE} at most")
    return note


def team_key(team: str) -> str:
    """Folder of a team: the same for names that look alike."""
    return sha256_of(unicodedata.normalize("NFKC", team.strip()).casefold())[:16]


def iso(moment: datetime) -> str:
    """ISO 8601, UTC; such texts sort as the moments do."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
