"""Learn an ensemble: its members' weights come from the oracle tier alone, which is read once.

The actors send statistics of recorded responses and members' predictions, by mouse and group of videos (`oracle`);
all methods, all who may share weights, and the report are made of these (`comparison`).

Memory of the driver: the statistics, (members + 1)(members + 2)/2 float64 a neuron and group of videos, and about three
times their sum over groups while weights are fitted. Ten mice × 8,000 neurons × six groups: 0.25 GB of statistics and
1.0 GB at the peak for 10 members; for 32, 2.2 GB and 3.7 GB while the methods are compared (the growth curve of 32 was
not measured). An actor holds the predictions of one trial, and the statistics of one mouse and group.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..benchmark import EvalWindow
from ..bundle.ensemble import write_ensemble
from ..bundle.manifest import Manifest
from ..data.store import FrameStore
from ..errors import BundleError, ConfigError
from ..scoring.actors import check_bundles
from ..storage import StrPath, locate, require_new
from .comparison import Comparison
from .crossvalidation import PERS, Per
from .oracle import oracle_folds
from .weights import methods

DEFAULT_METHOD = "correlation"
BEST = "best"


def learn_ensemble(
    store: StrPath,
    bundles: Sequence[StrPath],
    out: StrPath,
    *,
    method: str = DEFAULT_METHOD,
    per: Per = "all",
    seed: int = 0,
    window: EvalWindow | None = None,
    address: str | None = None,
) -> Manifest:
    """Write the ensemble of `bundles` whose weights answer the oracle tier best, and say how good it is.

    The manifest's `provenance["ensembling"]` has: `method` and `per` that were taken; `best_member`; `scores`, the
    single-trial correlation of every method by who shares weights, from all mice down to `per`; `gain` over the best
    member with its bootstrap interval; `growth`, the score by number of members, in greedy order; `folds`, how many
    videos and trials each has. All scores are cross-validated over videos (see `crossvalidation`), the best member's
    too; the weights that are written are then fitted on all videos. 'best' takes what scored best, so its own score
    and gain are a little too good, the more so the closer the others come.

    Parameters
    ----------
    store, bundles, out : on a disk or s3://.
    method : one of `weights.methods`, or 'best': the best of all in `scores`.
    per : who shares weights: 'all' mice, all neurons of a 'mouse', or nobody, each 'neuron' having its own. A mouse
        of the bundles that is not in the store gets those that all share.
    seed : of the bagged method and of the bootstrap.
    window : frames of a trial that count; None: the benchmark's.

    Raises
    ------
    DataError : the store has no oracle trial, a mouse fewer than two oracle videos, or `out` exists.
    BundleError : fewer than two bundles, or one does not fit the store.
    ConfigError : `method` or `per` is unknown.
    """
    out, members = locate(out), [locate(bundle) for bundle in bundles]
    _require(method, (*methods(seed), BEST), "--method")
    _require(per, PERS, "--per")
    require_new(out)
    if len(members) < 2:
        raise BundleError("an ensemble has two or more members", "ensemble", "name more bundles")
    data = FrameStore.open(store)
    tier, window = data.benchmark.oracle, window or data.benchmark.window
    check_bundles(data, members)
    folds, sizes = oracle_folds(data, members, tier, window, address)
    compared = Comparison(folds, per, seed)
    if method == BEST:
        method, per = compared.best()
    manifests = [Manifest.read(bundle) for bundle in members]
    names = [manifest.name for manifest in manifests]
    weights = compared.weights(method, per, [mouse.name for mouse in manifests[0].mice])
    provenance = {
        "data_checksum": data.checksum,
        "tier": tier,
        "window": window.name,
        "ensembling": {**compared.report(method, per, names), "folds": sizes},
    }
    return write_ensemble(dict(zip(names, members, strict=True)), weights, out, provenance)


def _require(given: str, known: Iterable[str], option: str) -> None:
    if given not in known:
        raise ConfigError(f"'{given}' is unknown", option, f"choose from {', '.join(known)}")
