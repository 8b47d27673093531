"""The standings of a leaderboard as one static HTML page: nothing runs in it, nothing is fetched by it."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from ..benchmark import STAGES, Stage
from ..metrics.definitions import RANKED_BY
from ..storage import StrPath, atomic_path
from ..submissions.entries import Standing
from ..submissions.evaluation import Scores
from ..submissions.leaderboard import Leaderboard

_STYLE = """
:root { --ink: #1d2430; --soft: #5d6878; --line: #e4e8ee; --paper: #fff; --tint: #f6f8fb; --mark: #2b6cb0; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6eaf0; --soft: #9aa6b6; --line: #2c3440; --paper: #14181f; --tint: #1b212a; --mark: #6cb0f5; }
}
* { box-sizing: border-box; }
body { font: 16px/1.55 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 0; }
main { max-width: 66rem; margin: 0 auto; padding: 3rem 1.25rem 4rem; }
h1 { font-size: 2rem; line-height: 1.2; margin: 0 0 .5rem; letter-spacing: -.01em; }
h2 { font-size: 1.3rem; margin: 3rem 0 0; }
h3 { font-size: 1rem; margin: 1.6rem 0 .5rem; color: var(--soft); font-weight: 600; }
p { margin: 0 0 .4rem; } p.soft, footer { color: var(--soft); }
dl { display: flex; flex-wrap: wrap; gap: .75rem 2.25rem; margin: 1.5rem 0 0; padding: 1rem 1.25rem; }
dl, p.none { background: var(--tint); border-radius: .6rem; }
dt { color: var(--soft); font-size: .8rem; } dd { margin: 0; font-weight: 600; font-variant-numeric: tabular-nums; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th { font-size: .8rem; font-weight: 600; color: var(--soft); border-bottom: 2px solid var(--line); }
th, td { padding: .55rem .6rem; text-align: right; }
th { line-height: 1.25; vertical-align: bottom; } td { white-space: nowrap; border-bottom: 1px solid var(--line); }
th.team, td.team { text-align: left; width: 99%; white-space: normal; overflow-wrap: anywhere; min-width: 9rem; }
td.rank, th.rank { text-align: center; width: 3rem; } td.score { font-weight: 700; } td.bar { padding: 0 .6rem; }
tr.first td { background: var(--tint); } tr.first td.team { font-weight: 700; }
td small { display: block; color: var(--soft); font-weight: 400; font-size: .78rem; }
svg { display: block; } line { stroke: var(--mark); } circle { fill: var(--mark); } .track { stroke: var(--line); }
p.none { padding: 1rem 1.25rem; color: var(--soft); }
footer { margin-top: 3.5rem; font-size: .85rem; border-top: 1px solid var(--line); padding-top: 1rem; }
"""

_TITLES = {
    "main": "Main track",
    "ood": "Bonus track: out of distribution",
    "sensorium": "Sensorium: stimulus only",
    "sensorium+": "Sensorium+: stimulus and behaviour",
}
_STAGES: dict[Stage, str] = {"live": "Live standings", "final": "Final standings"}
_COUNTS = {"live": "a team's best submission counts", "final": "a team's last submission counts"}
_ALSO_SHOWN = ("correlation_to_average", "correlation_to_average_pooled", "normalised_correlation", "feve")
_WIDTH, _HEIGHT, _INSET = 130, 18, 6
"""Size of the picture of a score and its interval, pixels."""


def write_standings(leaderboard: Leaderboard, out: StrPath) -> None:
    """Write the page.

    Parameters
    ----------
    out : the HTML file.

    Raises
    ------
    DataError : the leaderboard is damaged, or `out` may not be written to.
    """
    page = standings_page(leaderboard)
    with atomic_path(Path(out)) as partial:
        partial.write_text(page)


def standings_page(leaderboard: Leaderboard) -> str:
    """HTML of every track's live standings, and of the final ones once they are open.

    Raises
    ------
    DataError : the leaderboard is damaged.
    """
    settings = leaderboard.settings
    tables = {
        track: {
            stage: leaderboard.standings(track, stage)
            for stage in STAGES
            if stage == "live" or leaderboard.opened is not None
        }
        for track in leaderboard.rules.tracks
    }
    teams = {row.team for stages in tables.values() for rows in stages.values() for row in rows}
    facts = {
        "ranked by": _spoken(RANKED_BY),
        "frames that count": settings.window,
        "responses": settings.normalisation,
        "teams": str(len(teams)),
        "submissions": str(leaderboard.submissions),
        "as of": f"{datetime.now(UTC):%d %B %Y, %H:%M} UTC",
    }
    sections = "".join(
        f"<section><h2>{html.escape(_TITLES.get(track, track))}</h2>{''.join(_stages(stages))}</section>\n"
        for track, stages in tables.items()
    )
    title = html.escape(settings.title)
    return (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{title} leaderboard</title><style>{_STYLE}</style></head>\n"
        f"<body><main><h1>{title}</h1>\n{_lead(leaderboard)}\n{_facts(facts)}\n{sections}{_footer(leaderboard)}"
        "</main></body></html>\n"
    )


def _lead(leaderboard: Leaderboard) -> str:
    opened = leaderboard.opened
    if opened is None:
        state = "Live standings are open to all. The final ones are withheld until the organisers open them."
    else:
        state = f"The final standings were opened on {_day(opened)}; no more submissions are taken."
    return f"<p class='soft'>{state}</p>"


def _facts(facts: dict[str, str]) -> str:
    entries = (f"<div><dt>{html.escape(name)}</dt><dd>{html.escape(fact)}</dd></div>" for name, fact in facts.items())
    return f"<dl>{''.join(entries)}</dl>"


def _stages(stages: dict[Stage, list[Standing]]) -> Iterator[str]:
    """Sections of a track, the final one first where it is open."""
    for stage, rows in reversed(stages.items()):
        yield f"<h3>{_STAGES[stage]} · {_COUNTS[stage]}</h3>"
        yield _table(rows) if rows else "<p class='none'>No submission yet.</p>"


def _table(rows: Sequence[Standing]) -> str:
    others = [metric for metric in _ALSO_SHOWN if any(metric in row.scores for row in rows)]
    head = ["<th class='rank'>rank</th><th class='team'>team</th>", f"<th>{_spoken(RANKED_BY)}</th><th></th>"]
    head += [f"<th>{_spoken(metric)}</th>" for metric in others]
    scale = _scale([row.scores for row in rows])
    body = "".join(_row(row, others, scale) for row in rows)
    table = f"<table><thead><tr>{''.join(head)}<th>sent</th></tr></thead><tbody>{body}</tbody></table>"
    return f"<div class='wide'>{table}</div>"


def _row(row: Standing, others: Sequence[str], scale: tuple[float, float]) -> str:
    count = f"{row.submissions} submission{'s' if row.submissions > 1 else ''}"
    cells = [
        f"<td class='rank'>{row.rank}</td><td class='team'><bdi>{html.escape(row.team)}</bdi></td>",
        f"<td class='score'>{_number(row.scores[RANKED_BY])}</td><td class='bar'>{_bar(row.scores, scale)}</td>",
        *(f"<td>{_number(row.scores.get(metric), interval=False)}</td>" for metric in others),
        f"<td>{_day(row.received)}<small>{count}</small></td>",
    ]
    return f"<tr{' class=first' if row.rank == 1 else ''}>{''.join(cells)}</tr>"


def _scale(scores: Sequence[Scores]) -> tuple[float, float]:
    """Least and highest number that a picture of scores must show."""
    found = [number for score in scores for number in score[RANKED_BY].values() if number is not None]
    return min([0.0, *found]), max([0.0, *found])


def _bar(scores: Scores, scale: tuple[float, float]) -> str:
    """The score as a dot, its 95 % interval as a line."""
    score, (least, most) = scores[RANKED_BY], scale
    if score["value"] is None or most <= least:
        return ""

    def at(number: float) -> str:
        return f"{_INSET + (number - least) / (most - least) * (_WIDTH - 2 * _INSET):.1f}"

    middle = _HEIGHT // 2
    marks = [f"<line class='track' x1='{_INSET}' x2='{_WIDTH - _INSET}' y1='{middle}' y2='{middle}'/>"]
    if score["low"] is not None and score["high"] is not None:
        ends = f"x1='{at(score['low'])}' x2='{at(score['high'])}'"
        marks.append(f"<line {ends} y1='{middle}' y2='{middle}' stroke-width='4' stroke-opacity='.4'/>")
    marks.append(f"<circle cx='{at(score['value'])}' cy='{middle}' r='4'/>")
    return f"<svg width='{_WIDTH}' height='{_HEIGHT}' aria-hidden='true'>{''.join(marks)}</svg>"


def _number(score: dict[str, float | None] | None, interval: bool = True) -> str:
    if score is None or score["value"] is None:
        return "–"
    said = f"{score['value']:.4f}"
    if interval and score["low"] is not None and score["high"] is not None:
        said += f"<small>{score['low']:.4f} to {score['high']:.4f}</small>"
    return said


def _footer(leaderboard: Leaderboard) -> str:
    settings = leaderboard.settings
    limits = f"At most {settings.limit_per_day} submissions of a team a day (UTC), {settings.limit_total} in all."
    made = f"{settings.benchmark}, data {settings.data[:12]}, founded {_day(settings.founded)}."
    return (
        "<footer><p>Below a score is its 95 % confidence interval, by bootstrap over trials. Teams whose "
        "scores are equal share a rank; the earlier submission is listed first.</p>"
        f"<p>{limits} {html.escape(made)}</p></footer>"
    )


def _spoken(metric: str) -> str:
    return (
        metric.replace("_", " ").replace("single trial", "single-trial").replace("fev", "FEV").replace("FEVe", "FEVE")
    )


def _day(moment: str) -> str:
    return f"{datetime.fromisoformat(moment):%d %b %Y}"
