"""Losses of spike-like responses."""

from __future__ import annotations

from torch import Tensor


def poisson_loss(predicted: Tensor, recorded: Tensor) -> Tensor:
    """Negative Poisson log-likelihood up to a constant of the data, averaged over all entries.

    Parameters
    ----------
    predicted : expected responses, not negative, any shape.
    recorded : recorded responses, same shape and units; the few negative ones count as 0.
    """
    return (predicted - recorded.clamp(min=0) * (predicted + 1e-8).log()).mean()
