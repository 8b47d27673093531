"""Full 3D convolution."""

from ray import tune

SPACE = {
    "model": {
        "channels": tune.choice([(32, 32), (64, 64), (32, 64)]),
        "spatial_kernels": tune.choice([(9, 7), (11, 5)]),
        "temporal_kernels": tune.choice([(9, 9), (11, 5)]),
        "readout": tune.choice(["gaussian", "factorised"]),
    },
    "training": {"learning_rate": tune.loguniform(1e-3, 1e-2), "weight_decay": tune.loguniform(1e-3, 1e-1)},
}
PUBLISHED = {
    "model": {"channels": (64, 64), "spatial_kernels": (9, 7), "temporal_kernels": (9, 9)},
    # Windows of 60 frames, of which the first 16 are the receptive field's.
    "training": {
        "learning_rate": 5e-3,
        "weight_decay": 0.01,
        "batch": 16,
        "frames": 44,
        "warmup": 0.0,
        "clip_norm": 0.0,
        "average": 0.0,
    },
}
DEMO = {
    "model": {
        "channels": (8, 16),
        "spatial_kernels": (9, 5),
        "temporal_kernels": tune.choice([(7, 3), (9, 5)]),
        "padding": False,
        "stride": 2,
        "batch_norm_momentum": 0.1,
    },
    "training": {"learning_rate": tune.loguniform(3e-3, 8e-3), "frames": 32, "warmup": 0.3},
}
SMALL = {
    "model": {
        "channels": (4, 6),
        "spatial_kernels": (9, 5),
        "temporal_kernels": (5, 3),
        "padding": False,
        "stride": 2,
        "readout": "factorised",
    },
    "training": {},
}
