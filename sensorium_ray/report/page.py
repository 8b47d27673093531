"""One self-contained HTML page of a scored set of bundles: it opens from disk and asks nothing of the network."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from ..benchmark import EvalWindow
from ..errors import DataError
from ..scoring.table import CEILING, WHOLE, Cell, Ranked, ScoreTable
from ..storage import atomic_path, read_npz
from . import figures

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 1020px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.7rem; margin-bottom: .2rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; }
p.lead { color: #555; margin-top: 0; } svg { max-width: 100%; height: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .45rem; font-size: .93rem; text-align: right; border-bottom: 1px solid #e5e5e5; }
th:first-child, td:first-child { text-align: left; white-space: nowrap; }
thead th { border-bottom: 2px solid #999; font-weight: 600; }
tr.best td { font-weight: 600; }
.swatch { display: inline-block; width: .7em; height: .7em; margin-right: .5em; border-radius: 2px; }
small, dd, dt { color: #555; font-size: .85rem; }
dt { float: left; clear: left; width: 11rem; } dd { margin-left: 11.5rem; word-break: break-all; }
"""


def write_report(scores: Path, out: Path, sweep: Path | None = None) -> ScoreTable:
    """Write the page.

    Parameters
    ----------
    scores : folder that `sensorium score` wrote.
    out : the HTML file.
    sweep : folder of a sweep, whose curves are drawn too.

    Raises
    ------
    DataError : a folder does not hold what it should.
    """
    table = ScoreTable.read(scores / "scores.parquet")
    traces = read_npz(scores / "traces.npz")
    rankings = {_title(track, stage): ranked for (track, stage), ranked in table.rankings.items()}
    first = next(iter(rankings.values()), None)
    if first is None:
        raise DataError("scores no track", str(scores), "run `sensorium score` with --track both")
    paint = figures.colours([row.bundle for row in first])
    sections = [
        ("Ranking", _ranking_table(rankings, paint)),
        ("Both tracks, both stages", figures.tracks(rankings, _ceilings(table), paint)),
        ("Mice and stimulus families", _family_table(table, list(paint))),
        ("Neurons", figures.histograms(_neurons(table, list(rankings)), paint)),
    ]
    if traces:  # images of 2022 have none
        pictures = _trace_pictures(traces, list(paint), paint, table.provenance.window)
        sections.append(("Predicted against recorded", "".join(pictures)))
    if sweep is not None:
        sections.append(("The sweep", figures.curves(_curves(sweep), paint)))
    sections.append(("Where the numbers come from", _provenance(table)))
    body = "".join(f"<h2>{html.escape(title)}</h2>\n{content}\n" for title, content in sections)
    lead = f"{len(paint)} bundles on {_mice(table)} mice, ranked by single-trial correlation over frames "
    lead += table.provenance.window
    with atomic_path(out) as partial:
        partial.write_text(
            "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'><title>Sensorium report</title>"
            f"<style>{_STYLE}</style></head>\n<body><h1>Sensorium report</h1><p class='lead'>{lead}</p>\n"
            f"{body}</body></html>\n"
        )
    return table


def _title(track: str, stage: str) -> str:
    return f"{track}, {stage}"


def _mice(table: ScoreTable) -> int:
    return len(pc.unique(table.table["mouse"]))


def _ceilings(table: ScoreTable) -> dict[str, float | None]:
    pooled = table.pooled()
    return {
        _title(track, stage): pooled.get(Cell(CEILING, WHOLE, track, stage, WHOLE), {}).get(
            "single_trial_correlation", (None,)
        )[0]
        for track, stage in table.rankings
    }


def _ranking_table(rankings: Mapping[str, Sequence[Ranked]], paint: Mapping[str, str]) -> str:
    by_bundle = {title: {row.bundle: row for row in ranked} for title, ranked in rankings.items()}
    head = ["bundle"]
    for title in rankings:
        head += [title, "to average", "of ceiling"]
    rows = []
    for name in paint:
        cells = [f"<span class='swatch' style='background:{paint[name]}'></span>{html.escape(name)}"]
        for ranked in by_bundle.values():
            row = ranked[name]
            cells += [
                _number(row.single_trial_correlation),
                _number(row.correlation_to_average),
                _percent(row.fraction_of_ceiling),
            ]
        rows.append(cells)
    return _table(head, rows, best=0)


def _family_table(table: ScoreTable, bundles: Sequence[str]) -> str:
    """Single-trial correlation, and its fraction of the ceiling, by mouse and family."""
    means = table.means()
    places = sorted(
        {(c.mouse, c.track, c.stage, c.family) for c in means if c.family != WHOLE},
        key=lambda place: (place[0], place[1] != "oracle", *place[1:]),
    )
    rows = []
    for place in places:
        ceiling = means.get(Cell(CEILING, *place), {}).get("single_trial_correlation", (None,))[0]
        cells = [html.escape(" · ".join((_short(place[0]), *place[1:])))]
        for name in bundles:
            value = means[Cell(name, *place)]["single_trial_correlation"][0]
            cells.append(_number(value) + (f" <small>{_percent(value / ceiling)}</small>" if ceiling else ""))
        rows.append([*cells, _number(ceiling)])
    return _table(["mouse · track · stage · family", *bundles, "ceiling"], rows)


def _neurons(table: ScoreTable, titles: Sequence[str]) -> dict[str, dict[str, np.ndarray]]:
    """Single-trial correlations, (neurons,), by track and stage, and bundle."""
    frame = table.table.filter(
        (pc.field("family") == WHOLE) & (pc.field("metric") == "single_trial_correlation")
    ).to_pandas()
    frame["title"] = [_title(track, stage) for track, stage in zip(frame["track"], frame["stage"], strict=True)]
    names = [CEILING, *(name for name in frame["bundle"].unique() if name != CEILING)]
    found: dict[str, dict[str, np.ndarray]] = {}
    for title in titles:
        of_title = frame[frame["title"] == title]
        values = {name: of_title.loc[of_title["bundle"] == name, "value"].to_numpy() for name in names}
        found[title] = {name: value for name, value in values.items() if value.size}
    return found


def _trace_pictures(
    traces: Mapping[str, np.ndarray], ranked: Sequence[str], paint: Mapping[str, str], window: str
) -> Iterable[str]:
    """A picture a stimulus family, of the first mouse that has it; the best and the last bundle are drawn."""
    shown = list(dict.fromkeys((ranked[0], ranked[-1])))
    seen: set[str] = set()
    for key in traces:
        mouse, family, what = key.split("/", 2)
        if what != "recorded" or family in seen:
            continue
        seen.add(family)
        prefix = f"{mouse}/{family}/"
        group = {name.removeprefix(prefix): array for name, array in traces.items() if name.startswith(prefix)}
        where = f"best predicted neurons of mouse {html.escape(_short(mouse))}, trial {int(group['trial'])}"
        yield f"<p><b>{html.escape(family)}</b> <small>{where}</small></p>"
        yield figures.traces(group, shown, paint, EvalWindow.parse(window))


def _curves(sweep: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(sweep / "curves.csv", dtype={"trial": str})
    except (OSError, ValueError) as error:
        raise DataError(f"has no readable curves.csv ({error})", str(sweep), "name a finished sweep") from error


def _provenance(table: ScoreTable) -> str:
    made = table.provenance
    lines = {
        "sensorium-ray": made.version,
        "frames that count": made.window,
        "NaN and constants": made.nan_policy,
        "pooling": made.pooling,
        "frame store": made.data,
        "truth": made.truth or "none",
        **{f"bundle {name}": checksum for name, checksum in made.bundles.items()},
    }
    return "<dl>" + "".join(f"<dt>{html.escape(k)}</dt><dd>{html.escape(v)}</dd>" for k, v in lines.items()) + "</dl>"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], best: int | None = None) -> str:
    top = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
    lines = (
        f"<tr{' class=best' if place == best else ''}>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>"
        for place, row in enumerate(rows)
    )
    return f"<table><thead><tr>{top}</tr></thead><tbody>{''.join(lines)}</tbody></table>"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.0f}%"


def _short(mouse: str) -> str:
    """The part of a mouse's folder name that people say."""
    return mouse.split("-Video-", maxsplit=1)[0]
