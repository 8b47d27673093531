"""Linear-nonlinear baseline."""

from ray import tune

SPACE = {
    "model": {
        "channels": tune.choice([16, 32, 64]),
        "spatial_kernel": tune.choice([11, 15, 21]),
        "temporal_kernel": tune.choice([11, 15, 19]),
    },
    "training": {"learning_rate": tune.loguniform(1e-3, 1e-2), "weight_decay": tune.loguniform(1e-3, 1e-1)},
}
PUBLISHED: dict[str, dict[str, object]] = {
    "model": {},
    "training": {"learning_rate": 5e-3, "weight_decay": 0.01},
}
DEMO = {
    "model": {"channels": 16, "spatial_kernel": 11, "temporal_kernel": 11, "stride": 2, "gabor_start": True},
    "training": {"learning_rate": tune.loguniform(3e-3, 8e-3), "frames": 32, "warmup": 0.3},
}
SMALL = {
    "model": {"channels": 4, "spatial_kernel": 9, "temporal_kernel": 5, "stride": 2},
    "training": {},
}
