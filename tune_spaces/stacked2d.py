"""Stacked 2D convolutions, the 2022 starter kit's baseline."""

from ray import tune

SPACE = {
    "model": {
        "channels": tune.choice([(32, 32, 32, 32), (64, 64, 64, 64), (128, 128, 128, 128)]),
        "spatial_kernels": tune.choice([(9, 7, 7, 7), (13, 7, 7, 7), (9, 5, 5, 5)]),
        "batch_norm_momentum": tune.choice([0.1, 0.9]),
    },
    "training": {
        "learning_rate": tune.loguniform(1e-3, 2e-2),
        "weight_decay": tune.loguniform(1e-4, 1e-1),
        "batch": 128,
        "frames": 1,
    },
}
PUBLISHED = {
    "model": {"channels": (64, 64, 64, 64), "spatial_kernels": (9, 7, 7, 7)},
    # Single frames: in 2022 there are no others. Adam, which is AdamW without weight decay.
    "training": {
        "learning_rate": 9e-3,
        "weight_decay": 0.0,
        "batch": 128,
        "frames": 1,
        "warmup": 0.0,
        "clip_norm": 0.0,
        "average": 0.0,
    },
}
DEMO = {
    "model": {
        "channels": (16, 32, 32),
        "spatial_kernels": (11, 5, 5),
        "stride": 2,
        "batch_norm_momentum": 0.1,
        "gabor_start": True,
    },
    "training": {"learning_rate": tune.loguniform(3e-3, 8e-3), "frames": 32, "warmup": 0.3},
}
SMALL = {
    "model": {"channels": (4, 6), "spatial_kernels": (9, 5), "stride": 2},
    "training": {},
}
