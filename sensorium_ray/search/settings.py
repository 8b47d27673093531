"""How to sweep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from ..errors import ConfigError
from .spaces import Size

METRIC = "oracle_correlation"
"""What a sweep maximises: single-trial correlation on the oracle tier."""

Search = Literal["random", "optuna"]
Schedule = Literal["asha", "pbt", "none"]


@dataclass(frozen=True, slots=True)
class SweepSettings:
    """How to sweep.

    Parameters
    ----------
    size : which variant of the spaces.
    samples : tune trials an architecture, the published point included.
    epochs, steps : of a tune trial that nothing stops.
    search : how points are chosen: 'random', or 'optuna': its tree-structured Parzen estimator (Bergstra et al. 2011).
    scheduler : 'asha' stops what falls behind (Li et al. 2020, arXiv 1810.05934), 'pbt' lets it take over the weights
        of what is ahead (Jaderberg et al. 2017, arXiv 1711.09846), 'none' does neither.
    seed : of the points, of every training and of population based training.
    cpus : CPU cores a tune trial; gpus : GPUs a tune trial, fractions too.
    hours : after which no tune trial goes on; None: no limit. Those of a sweep's earlier runs count.
    cost : dollars, likewise, at `price` dollars an hour of a tune trial.
    keep : checkpoints of `top/` that are good together; 0: none.
    """

    size: Size = "full"
    samples: int = 8
    epochs: int = 20
    steps: int = 100
    search: Search = "random"
    scheduler: Schedule = "asha"
    seed: int = 0
    cpus: float = 1
    gpus: float = 0
    hours: float | None = None
    cost: float | None = None
    price: float | None = None
    keep: int = 0

    def __post_init__(self) -> None:
        for name, known in (("size", Size), ("search", Search), ("scheduler", Schedule)):
            if getattr(self, name) not in get_args(known):
                raise ConfigError(
                    f"'{getattr(self, name)}' is unknown", name, f"choose from {', '.join(get_args(known))}"
                )
        for name in ("samples", "epochs", "steps"):
            if getattr(self, name) < 1:
                raise ConfigError(f"is {getattr(self, name)}", name, "give 1 or more")
        for name in ("cpus", "gpus", "keep", "seed"):
            if getattr(self, name) < 0:
                raise ConfigError(f"is {getattr(self, name)}", name, "give 0 or more")
        for name in ("hours", "cost", "price"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ConfigError(f"is {value}", name, "give more than 0")
        if (self.cost is None) != (self.price is None):
            raise ConfigError(
                "cost and price go together", "sweep", "give dollars, and dollars an hour of a tune trial"
            )
        if self.search == "optuna" and self.scheduler == "pbt":
            raise ConfigError(
                "pbt changes settings while it trains, so optuna would learn from points that were not kept",
                "sweep",
                "choose --search random with pbt, or another scheduler",
            )

    @property
    def tune_trials(self) -> int:
        """Tune trials an architecture."""
        return 1 if self.size == "published" else self.samples
