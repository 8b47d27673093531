"""Draw the pictures of docs/data.md again: python docs/pictures.py.

They show what the simulator makes, which is alike what is published in form, not in content.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from sensorium_ray.benchmark import FAMILIES, FRAME_RATE
from sensorium_ray.data.describe import survey
from sensorium_ray.data.simulate import SCALES, simulate
from sensorium_ray.data.stimuli import STIMULI
from sensorium_ray.report.describe_plot import write_plot
from sensorium_ray.report.figures import COLOURS, STYLE

IMAGES = Path(__file__).parent / "images"
MOMENTS = range(0, 60, 10)
"""Frames of each family that are shown."""
ROW = (
    ("video", "36 × 64 pixels", 6.0),
    ("responses", "a number a neuron", 4.0),
    ("behavior", "pupil dilation,\nrunning speed", 1.9),
    ("pupil_center", "horizontal,\nvertical", 1.9),
)
"""What a row of a trial file holds, and how wide it is drawn."""


def families() -> Figure:
    """Frames of every stimulus family, a row each."""
    figure = Figure(figsize=(8, 5.2), layout="constrained")
    axes = figure.subplots(len(FAMILIES), len(MOMENTS))
    for family, row in zip(FAMILIES, axes, strict=True):
        video = STIMULI[family](np.random.default_rng(4), frames=MOMENTS.stop)
        for moment, axis in zip(MOMENTS, row, strict=True):
            axis.imshow(video[moment], cmap="gray", vmin=0, vmax=255)
            axis.set(xticks=[], yticks=[])
            if family == FAMILIES[0]:
                axis.set_title(f"{moment / FRAME_RATE:.2f} s")
        row[0].set_ylabel(family.replace("_", "\n"), rotation=0, ha="right", va="center")
    return figure


def store() -> Figure:
    """A trial's file in a frame store: a frame is a row."""
    figure = Figure(figsize=(8, 2.6), layout="constrained")
    axis = figure.subplots()
    for number in range(4):
        left = 0.0
        for colour, (name, what, width) in zip(COLOURS, ROW, strict=False):
            top = -number - (number == 3)
            axis.add_patch(Rectangle((left, top - 0.8), width, 0.8, facecolor=colour, alpha=0.35, edgecolor=colour))
            if number == 0:
                axis.text(left + width / 2, 0.15, f"{name}\n{what}", ha="center", va="bottom", fontsize=8)
            left += width + 0.1
        axis.text(-0.2, top - 0.4, f"frame {number if number < 3 else 'T − 1'}", ha="right", va="center", fontsize=8)
    axis.text(-0.2, -3.4, "…", ha="right", va="center")
    axis.set(xlim=(-1.8, 14.3), ylim=(-5, 1.6))
    axis.set_axis_off()
    return figure


def mouse(path: Path) -> None:
    """What `sensorium describe --plot` draws of a mouse."""
    scale = replace(SCALES["demo"], neurons=(150,), train=3, repeats=2, calibration=4)
    with tempfile.TemporaryDirectory() as folder:
        simulate(Path(folder) / "mice", scale, seed=0)
        write_plot(survey(str(Path(folder) / "mice")), path)


if __name__ == "__main__":
    with mpl.rc_context(STYLE):
        families().savefig(IMAGES / "families.png", dpi=80)
        store().savefig(IMAGES / "store.svg", metadata={"Date": None})
    mouse(IMAGES / "mouse.png")
