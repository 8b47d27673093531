"""Dynamic-V1FM, the second place of Sensorium 2023."""

from ray import tune

SPACE = {
    "model": {
        "channels": tune.choice([112, 168, 224]),
        "blocks": tune.choice([2, 3, 4]),
        "mlp_features": tune.choice([244, 488]),
        "fusion": tune.choice(["mean", "adaptive"]),
        "levels": tune.choice([(), (2, 4), (8, 16), (2, 4, 8, 16)]),
    },
    "training": {"learning_rate": tune.loguniform(3e-4, 3e-3), "weight_decay": tune.loguniform(1e-2, 1e-1)},
}
PUBLISHED = {
    "model": {"channels": 224, "blocks": 4, "mlp_features": 488, "fusion": "mean", "levels": (2, 4, 8, 16)},
    "training": {"learning_rate": 1e-3, "weight_decay": 0.05, "batch": 32, "average": 0.0},
}
DEMO = {
    "model": {
        "channels": 32,
        "blocks": 2,
        "mlp_features": 64,
        "patch": (2, 6, 8),
        "window": (8, 6, 8),
    },
    # As in viv1t.py.
    "training": {"learning_rate": tune.loguniform(1.5e-3, 3e-3), "batch": 4, "steps": 240, "warmup": 0.3},
}
SMALL = {
    "model": {
        "channels": 8,
        "blocks": 1,
        "heads": 2,
        "mlp_features": 8,
        "patch": (2, 6, 8),
        "window": (4, 4, 4),
    },
    "training": {},
}
