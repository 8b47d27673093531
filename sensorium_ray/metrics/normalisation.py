"""The other normalisation of responses: each time point of a trial by its own standard deviation.

The 2023 competition's server divided the targets of mice F-J by the dataset's standard deviation, which is one
number a neuron and time point. Correlation does not care about a neuron's unit, but it does about this: the
same predictions may score 0.41 raw and 0.59 normalised, so that a result must say which it is.
"""

from __future__ import annotations

import numpy as np


def time_precision(std: np.ndarray) -> np.ndarray:
    """What responses and predictions are both multiplied by, frame by frame, as the 2023 starter kit does it.

    1/std where the std is above 1 % of the mean std of all neurons and time points, else 1/that threshold.

    Parameters
    ----------
    std : (neurons, T) over the training trials of each time point, `meta/statistics/responses/all/std.npy`; NaN
        where no trial is that long.

    Returns
    -------
    (neurons, T) float64, or the shape of `std`, in 1/(unit of response).
    """
    std = np.asarray(std, np.float64)
    threshold = 0.01 * np.nanmean(std)
    return 1 / np.where(std > threshold, std, threshold)
