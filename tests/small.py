"""Configurations small enough to train in a second, by architecture."""

from typing import Any

SMALL: dict[str, dict[str, Any]] = {
    "linear_nonlinear": {"channels": 4, "spatial_kernel": 9, "temporal_kernel": 5, "stride": 2},
    "factorised3d": {
        "channels": (4, 6),
        "spatial_kernels": (9, 5),
        "temporal_kernels": (5, 3),
        "stride": 2,
    },
    "dwiseneuro": {
        "core_features": (4, 8),
        "spatial_strides": (2, 2),
        "expansion": 2,
        "cortex_features": (16,),
        "padded_shape": (36, 64),
        "softplus_beta": 1.0,
        "normalisation": "pooled",
        "window_frames": 8,
        "window_hop": 4,
    },
}
