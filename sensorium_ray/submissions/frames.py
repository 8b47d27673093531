"""Which frame rule a prediction of a wrong length follows, in words."""

from __future__ import annotations

from ..benchmark import EvalWindow

RULES = {
    EvalWindow(50, 300): "the instructions'",
    EvalWindow(50, 299): "the winner's, without the last frame",
    EvalWindow(51, 300): "without the first frame that counts",
    EvalWindow(50, None): "the starter kit's, to the end",
}
"""Frame rules that teams have followed."""


def frames_that_count(window: EvalWindow, frames: int) -> int:
    """How many frames of a trial of `frames` are in the window."""
    counted = window.slice(frames)
    return counted.stop - counted.start


def explain_frames(given: int, frames: int, window: EvalWindow) -> tuple[str, str]:
    """What is wrong with a prediction of `given` frames of a trial of `frames`, and how to mend it.

    The length must not be the right one.
    """
    wanted = frames_that_count(window, frames)
    mend = f"give the {wanted} frames {window.name} of it" if wanted < frames else f"give all {wanted} frames"
    if given == frames:
        return f"the whole trial is given, {given} frames", f"cut what is not in {window.name}: {mend}"
    if given > frames:
        return f"{given} frames are given of a trial of {frames}", f"{mend}, and nothing of what fills the array up"
    rules = [rule for rule in RULES if rule != window and frames_that_count(rule, frames) == given]
    if rules:
        named = " or ".join(f"{rule.name} ({RULES[rule]})" for rule in rules)
        return f"{given} frames are those of the rule {named}", f"{mend}, or name the rule with --frames"
    if abs(given - wanted) == 1:
        return f"{given} frames, one too {'few' if given < wanted else 'many'}", mend
    if given > wanted:
        lost = frames - given
        what = f"{given} frames, as of a model that answers nothing for the first {lost} of {frames}"
        return what, f"{mend}: the last {wanted} of what it answers" if window.slice(frames).stop == frames else mend
    before = f" (or of {given + window.start} of which {window.start} were cut)" if window.start else ""
    return f"{given} frames, as of a training crop{before}", f"predict whole trials of {frames}, then {mend}"
