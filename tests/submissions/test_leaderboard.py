from __future__ import annotations

import json
import multiprocessing
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sent import WINDOW, send
from tiny_store import Tiny

from sensorium_ray.data.store import FrameStore
from sensorium_ray.errors import ConfigError, DataError, SubmissionError
from sensorium_ray.metrics.definitions import RANKED_BY
from sensorium_ray.submissions.entries import Record, ranked
from sensorium_ray.submissions.evaluation import evaluate
from sensorium_ray.submissions.leaderboard import Leaderboard


class Clock:
    """A clock that is set by hand and moves on a second whenever it is read."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 10, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def board(tiny: Tiny, tmp_path: Path, clock: Clock) -> Leaderboard:
    return Leaderboard.create(
        tmp_path / "board", tiny.store, tiny.truth, window=WINDOW, limit_per_day=2, limit_total=3, clock=clock
    )


@pytest.fixture(scope="module")
def sent(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Callable[[float], Path]:
    """Zips of the main track by how noisy they are."""
    folder = tmp_path_factory.mktemp("sent")
    return cache(lambda noise: send(tiny, folder, noise))


def names(board: Leaderboard, track: str = "main", stage: str = "live") -> list[tuple[int, str]]:
    return [(row.rank, row.team) for row in board.standings(track, stage)]  # type: ignore[arg-type]


def test_a_better_submission_ranks_higher_and_scores_as_evaluate_says(
    tiny: Tiny, board: Leaderboard, sent: Callable[[float], Path]
) -> None:
    for team, noise in (("middling", 1.0), ("good", 0.2), ("poor", 5.0)):
        assert board.submit(sent(noise), team).accepted
    assert names(board) == [(1, "good"), (2, "middling"), (3, "poor")]
    table = evaluate(sent(0.2), tiny.store, truth=tiny.truth, window=WINDOW)
    first = board.standings("main", "live")[0].scores[RANKED_BY]
    assert first["value"] == table.ranking("main", "live")[0].single_trial_correlation
    assert (first["low"], first["high"]) == table.ranking("main", "live")[0].interval
    assert board.submissions == 3


def test_the_live_scores_are_on_the_receipt_and_the_final_ones_nowhere(
    board: Leaderboard, sent: Callable[[float], Path]
) -> None:
    receipt = board.submit(sent(0.2), "a", note="a first try")
    assert receipt.accepted
    assert receipt.number == 1
    assert list(receipt.scores) == ["main"]
    assert receipt.scores["main"][RANKED_BY]["value"] == board.standings("main", "live")[0].scores[RANKED_BY]["value"]
    assert receipt.withheld == ("main",)
    with pytest.raises(DataError, match="the final standings are withheld"):
        board.standings("main", "final")
    board.open_final()
    final = board.standings("main", "final")[0].scores[RANKED_BY]["value"]
    assert final is not None
    assert str(final) not in repr(receipt)


def test_opening_the_final_standings_is_for_good_and_ends_submissions(
    board: Leaderboard, sent: Callable[[float], Path], clock: Clock
) -> None:
    board.submit(sent(0.2), "a")
    assert board.opened is None
    opened = board.open_final()
    assert opened.startswith("2026-03-01T10:00")
    assert board.open_final() == opened == board.opened
    assert names(board, stage="final") == [(1, "a")]
    with pytest.raises(SubmissionError, match="takes no more submissions; the final standings are open"):
        board.submit(sent(0.2), "b")


def test_live_counts_the_best_and_final_the_last(board: Leaderboard, sent: Callable[[float], Path]) -> None:
    board.submit(sent(0.2), "a")
    board.submit(sent(5.0), "a")
    board.submit(sent(1.0), "b")
    assert names(board) == [(1, "a"), (2, "b")]
    assert board.standings("main", "live")[0].number == 1
    assert board.standings("main", "live")[0].submissions == 2
    board.open_final()
    assert names(board, stage="final") == [(1, "b"), (2, "a")]


def test_tracks_and_stages_that_were_not_sent_are_empty(
    tiny: Tiny, tmp_path: Path, board: Leaderboard, sent: Callable[[float], Path]
) -> None:
    board.submit(sent(0.2), "a")
    receipt = board.submit(send(tiny, tmp_path, 0.2, tiers=["final_test_bonus"]), "b")
    assert receipt.scores == {}
    assert receipt.withheld == ("ood",)
    assert names(board, "ood") == []
    board.open_final()
    assert names(board, "ood", "final") == [(1, "b")]
    with pytest.raises(ConfigError, match="has no track 'bonus'"):
        board.standings("bonus", "live")


def test_equal_scores_share_a_rank_the_next_is_skipped_and_the_earlier_is_first(
    board: Leaderboard, sent: Callable[[float], Path]
) -> None:
    for team, noise in (("last", 5.0), ("second", 1.0), ("also second", 1.0), ("first", 0.2)):
        board.submit(sent(noise), team)
    assert names(board) == [(1, "first"), (2, "second"), (2, "also second"), (4, "last")]


@given(st.lists(st.sampled_from([0.1, 0.1 + 1e-13, 0.2, 0.3, None]), min_size=1, max_size=12))
def test_ranks_count_the_better_teams(values: list[float | None]) -> None:
    records = [
        Record(f"team {n}", "", f"2026-01-01T00:00:{n:02d}", 1, "f", "", [], {"main": {"live": {RANKED_BY: _score(v)}}})
        for n, v in enumerate(values)
    ]
    standings = ranked(records, "main", "live")
    assert len(standings) == len(values)
    for row in standings:
        mine = row.scores[RANKED_BY]["value"]
        better = [v for v in values if v is not None and (mine is None or v - mine > 1e-12)]
        assert row.rank == len(better) + 1
    assert standings == ranked(records[::-1], "main", "live")
    for above, below in pairwise(standings):
        assert above.rank < below.rank or above.received < below.received


def _score(value: float | None) -> dict[str, float | None]:
    return {"value": value, "low": None, "high": None}


def test_limits_are_per_utc_day_and_in_total(board: Leaderboard, sent: Callable[[float], Path], clock: Clock) -> None:
    assert (board.submit(sent(1.0), "a").left_today, board.submit(sent(1.0), "A ").left_today) == (1, 0)
    with pytest.raises(SubmissionError, match=r"the 2 submissions of 2026-03-01 \(UTC\) are used; come back tomorrow"):
        board.submit(sent(1.0), "a")
    assert board.submit(sent(1.0), "b").left_today == 1, "teams have limits of their own"
    clock.now = datetime(2026, 3, 2, 0, 30, tzinfo=UTC)
    receipt = board.submit(sent(1.0), "a")
    assert (receipt.number, receipt.left_today, receipt.left) == (3, 0, 0)
    clock.now += timedelta(days=1)
    with pytest.raises(SubmissionError, match="all 3 submissions are used"):
        board.submit(sent(1.0), "a")


def test_a_day_is_a_day_in_utc_wherever_the_clock_is(
    board: Leaderboard, sent: Callable[[float], Path], clock: Clock
) -> None:
    east = datetime.fromisoformat("2026-03-02T05:00:00+09:00")
    clock.now = east
    board.submit(sent(1.0), "a")
    clock.now = datetime(2026, 3, 1, 23, tzinfo=UTC)
    assert board.submit(sent(1.0), "a").left_today == 0


def test_a_refused_file_does_not_count_and_is_told_why(tiny: Tiny, tmp_path: Path, board: Leaderboard) -> None:
    for _ in range(4):
        receipt = board.submit(send(tiny, tmp_path, 0.2, leave_out=1), "a")
        assert not receipt.accepted
        assert receipt.left_today == 2
        assert any("missing, of tier live_test_main; predict every trial" in fault for fault in receipt.faults)
    assert board.standings("main", "live") == []
    assert board.submissions == 0
    nothing = tmp_path / "nothing.zip"
    nothing.write_bytes(b"nothing")
    with pytest.raises(SubmissionError, match="is not a readable zip"):
        board.submit(nothing, "a")
    assert board.submit(send(tiny, tmp_path, 0.2), "a").left_today == 1


def test_what_was_sent_is_kept_with_its_checksum_and_scores(
    tmp_path: Path, board: Leaderboard, sent: Callable[[float], Path]
) -> None:
    board.submit(sent(0.2), "a", note="why")
    (folder,) = (tmp_path / "board" / "teams").glob("*/0001")
    record = json.loads((folder / "submission.json").read_text())
    assert (folder / "sent" / record["file"]).read_bytes() == sent(0.2).read_bytes()
    assert record["note"] == "why"
    assert (folder / "scores.parquet").is_file()


@pytest.mark.parametrize("team", ["", "  ", "a" * 51, "two\nlines", "left\u202eright", "nul\0"])
def test_a_name_that_cannot_be_shown_is_refused(board: Leaderboard, sent: Callable[[float], Path], team: str) -> None:
    with pytest.raises(SubmissionError, match="is no name for a team; use 1 to 50 printable characters"):
        board.submit(sent(0.2), team)


@pytest.mark.parametrize("team", ["../../etc", "Kühne Mäuse 🐭", "<b>bold</b>", "a/b"])
def test_any_other_name_is_taken_as_it_is(board: Leaderboard, sent: Callable[[float], Path], team: str) -> None:
    board.submit(sent(0.2), team)
    assert names(board) == [(1, team)]


def test_names_that_look_alike_are_one_team(board: Leaderboard, sent: Callable[[float], Path]) -> None:
    board.submit(sent(1.0), "Café")
    board.submit(sent(0.2), "CAFE\u0301")
    assert len(names(board)) == 1


def test_a_note_is_short(board: Leaderboard, sent: Callable[[float], Path]) -> None:
    with pytest.raises(SubmissionError, match="has 501 characters; use 500 at most"):
        board.submit(sent(0.2), "a", note="x" * 501)


def test_a_leaderboard_is_founded_once_and_on_responses_that_are_known(
    tiny: Tiny, tmp_path: Path, board: Leaderboard
) -> None:
    with pytest.raises(DataError, match="exists already"):
        Leaderboard.create(tmp_path / "board", tiny.store, tiny.truth, window=WINDOW)
    with pytest.raises(DataError, match="are withheld"):
        Leaderboard.create(tmp_path / "other", tiny.store, window=WINDOW)
    assert not (tmp_path / "other").exists()
    for limits in ({"limit_per_day": 0}, {"limit_total": 0}, {"limit_total": 10_000}):
        with pytest.raises(ConfigError, match="let a team submit once at least, and 9999 times at most"):
            Leaderboard.create(tmp_path / "other", tiny.store, tiny.truth, window=WINDOW, **limits)
    with pytest.raises(DataError, match="file is missing; found one with"):
        Leaderboard.open(tmp_path / "nowhere")
    assert Leaderboard.open(tmp_path / "board").settings == board.settings


def test_a_store_that_has_changed_is_noticed(
    tiny: Tiny, board: Leaderboard, sent: Callable[[float], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    original = FrameStore.open

    def altered(path: Path) -> FrameStore:
        store = original(path)
        store.checksum = "another"
        return store

    monkeypatch.setattr(FrameStore, "open", altered)
    with pytest.raises(DataError, match="has changed since the leaderboard was founded"):
        board.submit(sent(0.2), "a")


def test_submissions_of_a_team_at_the_same_time_keep_to_its_limit(
    tmp_path: Path, board: Leaderboard, sent: Callable[[float], Path]
) -> None:
    file, folder = sent(1.0), tmp_path / "board"
    apart = ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn"))
    with ThreadPoolExecutor(2) as together, apart:
        tries = [pool.submit(_try, folder, file) for pool in (together, apart) for _ in range(2)]
        assert sorted(attempt.result() for attempt in tries) == [False, False, True, True]
    assert board.standings("main", "live")[0].submissions == 2


def _try(folder: Path, file: Path) -> bool:
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    try:
        return Leaderboard.open(folder, clock=lambda: noon).submit(file, "a").accepted
    except SubmissionError:
        return False


_KILLED = """
    import os, signal, sys
    sys.path.insert(0, {tests!r})
    from sensorium_ray.submissions import evaluation, leaderboard
    from sensorium_ray.submissions.leaderboard import Leaderboard

    def die(*_, **__):
        os.kill(os.getpid(), signal.SIGKILL)

    setattr({where}, {name!r}, die)
    Leaderboard.open({folder!r}).submit({file!r}, "a")
"""


@pytest.mark.parametrize(
    ("where", "name"),
    [
        ("leaderboard", "check_submission"),
        ("evaluation.Judge", "score"),
        ("leaderboard", "sha256"),
        ("leaderboard", "write_json"),
        ("os", "replace"),
    ],
)
def test_a_kill_while_submitting_leaves_nothing_half_counted(
    tmp_path: Path, board: Leaderboard, sent: Callable[[float], Path], where: str, name: str
) -> None:
    folder = tmp_path / "board"
    before = board.submit(sent(1.0), "a")
    code = textwrap.dedent(_KILLED).format(
        tests=str(Path(__file__).parent), where=where, name=name, folder=str(folder), file=str(sent(0.2))
    )
    died = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert names(board) == [(1, "a")]
    assert board.submissions == 1
    assert board.standings("main", "live")[0].scores == before.scores["main"]
    after = board.submit(sent(0.2), "a")
    assert (after.number, after.left_today) == (2, 0), "the killed one has not used up anything, and no lock is held"
    assert not list(folder.rglob("*.partial"))
