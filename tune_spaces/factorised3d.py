"""Factorised 3D convolution, the 2023 starter kit's baseline."""

from ray import tune

SPACE = {
    "model": {
        "channels": tune.choice([(16, 32, 64), (32, 64, 128), (64, 128, 256)]),
        "spatial_kernels": tune.choice([(11, 5, 5), (9, 7, 5), (7, 5, 5)]),
        "temporal_kernels": tune.choice([(11, 5, 5), (9, 5, 5), (7, 7, 7)]),
        "batch_norm_momentum": tune.choice([0.1, 0.7]),
    },
    "training": {"learning_rate": tune.loguniform(1e-3, 1e-2), "weight_decay": tune.loguniform(1e-3, 1e-1)},
}
PUBLISHED = {
    "model": {"channels": (32, 64, 128), "spatial_kernels": (11, 5, 5), "temporal_kernels": (11, 5, 5)},
    "training": {"learning_rate": 5e-3, "weight_decay": 0.01, "batch": 8, "frames": 62},
}
DEMO = {
    "model": {
        "channels": (8, 16, 32),
        "spatial_kernels": (11, 5, 3),
        "temporal_kernels": tune.choice([(9, 5, 3), (11, 3, 3)]),
        "stride": 2,
        "batch_norm_momentum": 0.1,
        "gabor_start": True,
    },
    "training": {"learning_rate": tune.loguniform(3e-3, 8e-3), "frames": 32, "warmup": 0.3},
}
SMALL = {
    "model": {"channels": (4, 6), "spatial_kernels": (9, 5), "temporal_kernels": (5, 3), "stride": 2},
    "training": {},
}
