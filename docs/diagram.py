"""Draw the house from its imports: python docs/diagram.py.

A row is a room, the ground floor at the bottom; a dot says that something in the room imports from the room of that
column. Every dot's id in the SVG is `room-imported`, by which tests/test_diagram.py compares the picture with the
imports.
"""

from __future__ import annotations

import ast
import sys
import textwrap
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from sensorium_ray.report.figures import COLOURS, STYLE

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from test_architecture import PACKAGE, ROOMS, _files, _imports

PICTURE = Path(__file__).parent / "images" / "architecture.svg"


def edges() -> set[tuple[str, str]]:
    """Rooms, and the other rooms that something in them imports from."""
    found = set()
    for path in _files():
        room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        names = [name.split(".") for name in _imports(path) if name.startswith("sensorium_ray.")]
        found |= {(room, name[1]) for name in names if name[1] != room}
    return found


def draw() -> Figure:
    """The picture."""
    figure = Figure(figsize=(11, 7.6), layout="constrained")
    axis = figure.subplots()
    for floor, room in enumerate(ROOMS):
        colour = COLOURS[_storey(floor)]
        if floor % 2 == 0:
            axis.axhspan(floor - 0.5, floor + 0.5, color="#f4f4f4", zorder=0)
        corner, look = (-17.0, floor - 0.3), {"facecolor": colour, "edgecolor": "none", "alpha": 0.35}
        axis.add_patch(FancyBboxPatch(corner, 3.1, 0.6, "round,pad=0.08", **look))
        axis.text(-15.45, floor, room, ha="center", va="center", weight="bold")
        axis.text(-13.6, floor, _what(room), va="center", fontsize=8)
        axis.text(floor, -0.75, room, rotation=90, ha="center", va="top", fontsize=8)
        axis.plot([floor, floor], [-0.6, floor], color="#dddddd", linewidth=0.8, zorder=1)
        axis.plot(floor, floor, "s", color=colour, markersize=7)
    for room, imported in sorted(edges()):
        place = ROOMS.index(imported), ROOMS.index(room)
        (dot,) = axis.plot(*place, "o", color=COLOURS[_storey(place[0])], markersize=5.5, zorder=3)
        dot.set_gid(f"{room}-{imported}")
    axis.text(-17.0, len(ROOMS) - 0.1, "room", fontsize=8, color="#666666")
    axis.text(-13.6, len(ROOMS) - 0.1, "what is in it", fontsize=8, color="#666666")
    axis.text(-0.4, len(ROOMS) - 0.1, "● imports from   ■ itself", fontsize=8, color="#666666")
    axis.set(xlim=(-17.4, len(ROOMS) - 0.4), ylim=(-3.9, len(ROOMS) + 0.5))
    axis.set_axis_off()
    return figure


def _storey(floor: int) -> int:
    """Number of the colour: four rooms a storey."""
    return floor // 4


def _what(room: str) -> str:
    """How the room's docstring begins."""
    file = PACKAGE / f"{room}.py"
    source = (file if file.exists() else PACKAGE / room / "__init__.py").read_text()
    first, *_ = str(ast.get_docstring(ast.parse(source))).split("\n")
    return textwrap.shorten(first.rstrip("."), 54, placeholder=" …")


if __name__ == "__main__":
    with mpl.rc_context({**STYLE, "svg.fonttype": "none"}):
        draw().savefig(PICTURE, metadata={"Date": None})
