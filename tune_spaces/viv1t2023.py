"""ViV1T as of 2023, third place of Sensorium 2023."""

from ray import tune

SPACE = {
    "model": {
        "width": tune.choice([80, 112, 160]),
        "spatial_depth": tune.choice([2, 3, 5]),
        "temporal_depth": tune.choice([3, 5, 7]),
        "heads": tune.choice([6, 11]),
        "hidden": tune.choice([96, 136, 224]),
        "attention_dropout": tune.uniform(0.0, 0.4),
        "token_dropout": tune.uniform(0.0, 0.3),
        "drop_path": tune.uniform(0.0, 0.2),
    },
    "training": {"learning_rate": tune.loguniform(1e-3, 1e-2), "weight_decay": tune.loguniform(1e-2, 1.0)},
}
PUBLISHED = {
    "model": {"normalisation": "extremes"},
    # The readouts' rate and decay; the core's own are 0.0048 and 0.1789.
    "training": {"learning_rate": 3.6e-3, "weight_decay": 0.3939, "batch": 6},
}
DEMO = {
    "model": {
        "patch_frames": 13,
        "patch_pixels": 9,
        "patch_stride": 6,
        "width": 32,
        "spatial_depth": 2,
        "temporal_depth": 2,
        "heads": 2,
        "head_width": 16,
        "hidden": 64,
        "token_dropout": 0.0,
        "hidden_dropout": 0.0,
        "attention_dropout": 0.0,
        "drop_path": 0.0,
        "max_frames": 44,
    },
    # As in viv1t.py.
    "training": {"learning_rate": tune.loguniform(2e-3, 6e-3), "batch": 4, "steps": 240, "warmup": 0.5},
}
SMALL = {
    "model": {
        "patch_frames": 5,
        "patch_stride": 6,
        "width": 8,
        "spatial_depth": 1,
        "temporal_depth": 1,
        "heads": 2,
        "head_width": 4,
        "hidden": 16,
        "token_dropout": 0.0,
        "drop_path": 0.0,
        "max_frames": 24,
    },
    "training": {},
}
