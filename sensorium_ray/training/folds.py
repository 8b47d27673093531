"""Folds of the training videos; a video and its duplicates, whichever mouse saw them, are in the same fold.

Videos are near-duplicates where their perceptual hashes agree (Zauner 2010, Implementation and benchmarking of
perceptual image hash functions), and duplicates of a duplicate belong to the same group.
"""

from __future__ import annotations

import numpy as np
from scipy.fft import dctn
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ..data.store import FrameStore
from ..errors import ConfigError

_EVERY, _HASHED = 30, 10  # a frame a second, of ten seconds
_SIDE = 8  # lowest frequencies along each axis
_DIFFERENT = 0.2  # share of differing bits up to which two videos are the same; of unrelated ones half differ
_SEED = 0
_BLOCK = 1024


def folds_of(store: FrameStore, folds: int) -> dict[str, dict[int, int]]:
    """Fold, from 1 on, of each trial of the train tier, by mouse.

    It depends on the store alone, so that trainings that leave out one fold each leave out every video once.

    Raises
    ------
    ConfigError : there are fewer groups of videos than folds.
    """
    trials = {mouse: store[mouse].select("train") for mouse in store.mice}
    found = {info.video: (mouse, info) for mouse, infos in trials.items() for info in infos}
    hashes = []
    for mouse, info in found.values():
        moments = np.minimum(np.arange(_HASHED) * _EVERY, info.frames - 1)
        hashes.append(perceptual_hash(np.asarray(store[mouse].rows(info.trial)["video"][moments], np.float32)))
    groups = dict(zip(found, near_duplicates(np.stack(hashes)).tolist(), strict=True))
    counts = np.zeros((max(groups.values()) + 1, len(trials)), np.int64)
    for place, infos in enumerate(trials.values()):
        np.add.at(counts, ([groups[info.video] for info in infos], place), 1)
    if len(counts) < folds:
        what = f"has {len(counts)} different training videos, too few for {folds} folds"
        raise ConfigError(what, str(store.path), "take fewer folds")
    chosen = spread(counts, folds, _SEED)
    return {
        mouse: {info.trial: int(chosen[groups[info.video]]) + 1 for info in infos} for mouse, infos in trials.items()
    }


def perceptual_hash(frames: np.ndarray) -> np.ndarray:
    """Hash of some frames of a video: which of a frame's slow waves are stronger than its middle one.

    Parameters
    ----------
    frames : (frames, height, width), grey levels.

    Returns
    -------
    (frames * 63,) bool; noise, brightness, contrast and compression change few of them.
    """
    waves = dctn(frames, axes=(1, 2), norm="ortho")[:, :_SIDE, :_SIDE].reshape(len(frames), -1)[:, 1:]
    return (waves > np.median(waves, axis=1, keepdims=True)).reshape(-1)


def near_duplicates(hashes: np.ndarray) -> np.ndarray:
    """Number of each video's group, from 0 on: (videos,).

    Parameters
    ----------
    hashes : (videos, bits) bool.
    """
    signs = np.where(hashes, np.float32(1), np.float32(-1))
    pairs = []
    for start in range(0, len(signs), _BLOCK):
        agreement = signs[start : start + _BLOCK] @ signs.T / signs.shape[1]  # 1 - 2 * share of differing bits
        rows, columns = np.nonzero(agreement >= 1 - 2 * _DIFFERENT)
        pairs.append(np.stack([rows + start, columns]))
    edges = np.concatenate(pairs, axis=1)
    graph = coo_array((np.ones(edges.shape[1], bool), tuple(edges)), shape=(len(signs), len(signs)))
    return np.asarray(connected_components(graph, directed=False)[1])


def spread(counts: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """Fold of each group, from 0 on, so that every mouse has about as many trials in each: (groups,).

    The largest group comes first, equal ones at random; each goes where its mice have fewest trials so far.

    Parameters
    ----------
    counts : (groups, mice), trials.
    """
    shuffled = np.random.default_rng(seed).permutation(len(counts))
    order = shuffled[np.argsort(-counts.sum(1)[shuffled], kind="stable")]
    load = np.zeros((folds, counts.shape[1]), np.int64)
    chosen = np.empty(len(counts), np.int64)
    for group in order:
        mine = counts[group] > 0
        chosen[group] = fold = np.lexsort((load.sum(1), load[:, mine].sum(1)))[0]
        load[fold] += counts[group]
    return chosen
