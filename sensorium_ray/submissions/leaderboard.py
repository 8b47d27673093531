"""The evaluation service's books: who sent what and when, how it scored, and who leads.

A leaderboard is a folder. A submission is a folder in it that appears whole, by one rename, when it has been
checked, scored and written down: whoever is killed before has not submitted. Nothing prints and nothing is
kept in memory, so that any number of threads and processes may use the same folder.

    DIR/leaderboard.json                what it was founded with
    DIR/opened.json                     when the final standings were opened; absent until then
    DIR/inbox/                          what came over HTTP, see inbox.py
    DIR/teams/<key>/0001/               the first submission of a team
      submission.json                   who, when, and the scores of both stages
      scores.parquet                    the score table
      sent/<file>                       what was sent

The scores of the final stage lie in these files, which are the organisers'; this module gives them to nobody
until the final standings are opened, and then takes no more submissions.
"""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from ..benchmark import BENCHMARKS, Benchmark, EvalWindow, Stage
from ..errors import ConfigError, DataError, QuotaError, SubmissionError
from ..storage import (
    StrPath,
    absolute,
    atomic_path,
    locked,
    read_json,
    remove_partials,
    require_new,
    sha256,
    write_json,
)
from .checking import Check, check_submission
from .entries import (
    FORMAT,
    Receipt,
    Record,
    Settings,
    Standing,
    Step,
    checked_name,
    checked_note,
    iso,
    ranked,
    team_key,
)
from .evaluation import Judge, scores_of

_MOST = 9999
"""Submissions of a team, whose folders have four digits."""

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The time, with its time zone."""
    return datetime.now(UTC)


def _keep(_: Step) -> None:
    """Tell nobody."""


class Leaderboard:
    """Standings over the tracks and stages of one benchmark. Build it with `create` or `open`.

    Parameters
    ----------
    settings : what it was founded with.
    """

    def __init__(self, folder: Path, settings: Settings, clock: Clock) -> None:
        self.settings = settings
        self._folder = folder
        self._clock = clock

    @classmethod
    def create(
        cls,
        folder: StrPath,
        store: StrPath,
        truth: StrPath | None = None,
        *,
        window: EvalWindow | None = None,
        normalisation: str = "raw",
        limit_per_day: int = 3,
        limit_total: int = 100,
        title: str = "Sensorium",
        clock: Clock = utc_now,
    ) -> Leaderboard:
        """Found a leaderboard.

        Parameters
        ----------
        folder : a new one.
        store : frame store whose test tiers are scored; it must stay where it is.
        truth : folder with the responses that the store withholds.
        window : frames of a trial that count; None: the benchmark's.
        normalisation : one of `recording.NORMALISATIONS`.
        limit_per_day, limit_total : accepted submissions of a team in a UTC day, and ever.
        clock : gives the time.

        Raises
        ------
        DataError : `folder` exists; or a test tier's responses are known to neither store nor truth.
        ConfigError : a limit is below 1, or above 9999.
        """
        folder = Path(folder)
        require_new(folder)
        if not (limit_per_day >= 1 and 1 <= limit_total <= _MOST):
            what = f"limits of {limit_per_day} a day and {limit_total} in all"
            raise ConfigError(what, "leaderboard", f"let a team submit once at least, and {_MOST} times at most")
        judge = Judge.open(store, truth, window, normalisation)
        judge.require_responses()
        settings = Settings(
            title=title,
            store=absolute(store),
            truth=None if truth is None else absolute(truth),
            data=judge.store.checksum,
            benchmark=judge.store.benchmark.name,
            window=judge.window.name,
            normalisation=normalisation,
            limit_per_day=limit_per_day,
            limit_total=limit_total,
            founded=iso(clock()),
        )
        with atomic_path(folder) as partial:
            (partial / "teams").mkdir(parents=True)
            write_json(partial / "leaderboard.json", asdict(settings))
        return cls(folder, settings, clock)

    @classmethod
    def open(cls, folder: StrPath, clock: Clock = utc_now) -> Leaderboard:
        """Open a leaderboard.

        Raises
        ------
        DataError : there is none.
        """
        file = Path(folder) / "leaderboard.json"
        found = read_json(file, "found one with `sensorium leaderboard init`")
        try:
            settings = Settings(**found)
        except TypeError as error:
            raise DataError(f"is no leaderboard ({error})", str(file)) from error
        if settings.format != FORMAT:
            raise DataError(f"is of format {settings.format}, not {FORMAT}", str(file))
        return cls(Path(folder), settings, clock)

    @property
    def rules(self) -> Benchmark:
        """Tracks, tiers and metrics."""
        return BENCHMARKS[self.settings.benchmark]

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return self._folder

    def now(self) -> datetime:
        """The time, by its clock."""
        return self._clock()

    @property
    def opened(self) -> str | None:
        """When the final standings were opened, ISO 8601, UTC; None: they are withheld."""
        file = self._folder / "opened.json"
        return read_json(file)["opened"] if file.is_file() else None

    @property
    def submissions(self) -> int:
        """How many were accepted."""
        return sum(1 for _ in self._records("*"))

    def submit(self, file: StrPath, team: str, note: str = "", tell: Callable[[Step], object] = _keep) -> Receipt:
        """Check a submission, score it and write it down.

        Submissions of one team wait for each other; those of several are scored side by side.

        Parameters
        ----------
        file : a zip, Parquet file or csv, of any tracks and stages.
        team : printable, at most 50 characters; names that differ in case alone are the same team's.
        note : the team's own words, at most 500 characters.
        tell : called with what is being done with it.

        Raises
        ------
        SubmissionError : the file is not readable, a name or note is at fault, or as `require_left`. None of
            this counts as a submission, nor does a file with faults, which the receipt tells.
        DataError : the store has changed since the leaderboard was founded.
        """
        file, team, note = Path(file), checked_name(team), checked_note(note)
        if not file.is_file():
            raise SubmissionError("is no file", str(file), "name a zip, a Parquet file or a csv")
        folder = self._folder / "teams" / team_key(team)
        folder.mkdir(exist_ok=True)
        with locked(self._folder / "lock", fcntl.LOCK_SH), locked(folder / "lock", fcntl.LOCK_EX):
            remove_partials(folder)
            received = self._clock()
            number = self.require_left(team, received)
            return self._take(file, folder / f"{number:04d}", team, note, received, tell)

    def receipt_of(self, team: str, checksum: str) -> Receipt | None:
        """Receipt of a file that counts as a submission of a team, known by its SHA-256; None: none does."""
        for record in self._records(team_key(team)):
            if record.sha256 == checksum:
                return self._receipt(team, datetime.fromisoformat(record.received), record.warnings, record=record)
        return None

    def standings(self, track: str, stage: Stage) -> list[Standing]:
        """Standings, best first; see `entries.ranked` for ties and for which submission of a team counts.

        Raises
        ------
        DataError : the final standings are asked for, and not open.
        ConfigError : the benchmark has no such track.
        """
        self.rules.tier_of(track, stage)
        if stage == "final" and self.opened is None:
            raise DataError("the final standings are withheld", str(self._folder), "wait until they are opened")
        return ranked(self._records("*"), track, stage)

    def all_standings(self, stage: Stage) -> dict[str, list[Standing]]:
        """Standings of every track; raises as `standings`."""
        return {track: self.standings(track, stage) for track in self.rules.tracks}

    def open_final(self) -> str:
        """Open the final standings, for good, after submissions that are being scored; return when that was."""
        with locked(self._folder / "lock", fcntl.LOCK_EX):
            opened = self.opened or iso(self._clock())
            write_json(self._folder / "opened.json", {"opened": opened})
            return opened

    def _take(
        self, file: Path, place: Path, team: str, note: str, received: datetime, tell: Callable[[Step], object]
    ) -> Receipt:
        settings = self.settings
        judge = Judge.open(settings.store, settings.truth, EvalWindow.parse(settings.window), settings.normalisation)
        if judge.store.checksum != settings.data:
            what = "has changed since the leaderboard was founded"
            raise DataError(what, settings.store, "restore it, or found another leaderboard")
        try:
            with atomic_path(place) as partial:
                (partial / "sent").mkdir(parents=True)
                sent = Path(shutil.copyfile(file, partial / "sent" / file.name))
                tell("checking")
                check = check_submission(sent, judge.store, judge.window)
                if check.faults:
                    raise _RefusedError(check)
                tell("scoring")
                table = judge.score(sent, check, name=team)
                table.write(partial / "scores.parquet")
                warnings = [str(warning) for warning in check.warnings]
                record = Record(
                    team=team,
                    note=note,
                    received=iso(received),
                    number=int(place.name),
                    file=file.name,
                    sha256=sha256(sent),
                    warnings=warnings,
                    scores=scores_of(table),
                )
                write_json(partial / "submission.json", asdict(record))
        except _RefusedError as refused:
            found = refused.check
            return self._receipt(team, received, map(str, found.warnings), faults=map(str, found.faults))
        return self._receipt(team, received, warnings, record=record)

    def _receipt(
        self,
        team: str,
        received: datetime,
        warnings: Iterable[str],
        *,
        faults: Iterable[str] = (),
        record: Record | None = None,
    ) -> Receipt:
        today, ever = self._used(team, received)
        scores = {} if record is None else record.scores
        return Receipt(
            team=team,
            received=iso(received),
            number=None if record is None else record.number,
            faults=tuple(faults),
            warnings=tuple(warnings),
            scores={track: stages["live"] for track, stages in scores.items() if "live" in stages},
            withheld=tuple(track for track, stages in scores.items() if "final" in stages),
            left_today=min(self.settings.limit_per_day - today, self.settings.limit_total - ever),
            left=self.settings.limit_total - ever,
        )

    def require_left(self, team: str, received: datetime, waiting: Sequence[str] = ()) -> int:
        """Number of the team's next submission.

        Parameters
        ----------
        received : when it came; one that came before the final standings were opened is still taken.
        waiting : when those came that the team has sent and that are still to be scored, ISO 8601, UTC.

        Raises
        ------
        QuotaError : the team has used its submissions of that day.
        SubmissionError : it has used all, or the final standings are open.
        """
        opened = self.opened
        if opened is not None and iso(received) >= opened:
            raise SubmissionError("takes no more submissions", self.settings.title, "the final standings are open")
        today, ever = self._used(team, received, waiting)
        limits = self.settings
        if ever >= limits.limit_total:
            raise SubmissionError(f"all {limits.limit_total} submissions are used", f"team '{team}'")
        if today >= limits.limit_per_day:
            what = f"the {limits.limit_per_day} submissions of {received.astimezone(UTC):%Y-%m-%d} (UTC) are used"
            raise QuotaError(what, f"team '{team}'", "come back tomorrow")
        return ever + 1

    def _used(self, team: str, now: datetime, waiting: Sequence[str] = ()) -> tuple[int, int]:
        """Submissions of a team on the UTC day of `now`, and ever."""
        received = [*waiting, *(record.received for record in self._records(team_key(team)))]
        return sum(moment[:10] == iso(now)[:10] for moment in received), len(received)

    def _records(self, teams: str) -> Iterator[Record]:
        for file in self._folder.glob(f"teams/{teams}/[0-9][0-9][0-9][0-9]/submission.json"):
            yield Record.read(file)


class _RefusedError(Exception):
    """Ends the writing of a submission that has faults."""

    def __init__(self, check: Check) -> None:
        super().__init__()
        self.check = check
