"""ViV1T as of 2025."""

from ray import tune

SPACE = {
    "model": {
        "width": tune.choice([80, 112, 160]),
        "spatial_depth": tune.choice([4, 8, 14]),
        "temporal_depth": tune.choice([4, 8, 14]),
        "heads": tune.choice([2, 4]),
        "hidden": tune.choice([160, 224, 320]),
        "hidden_dropout": tune.uniform(0.0, 0.4),
        "token_dropout": tune.uniform(0.0, 0.3),
        "drop_path": tune.uniform(0.0, 0.5),
    },
    "training": {"learning_rate": tune.loguniform(1e-3, 2e-2), "weight_decay": tune.loguniform(1e-2, 1.0)},
}
PUBLISHED: dict[str, dict[str, object]] = {
    "model": {},
    # The readouts' rate and decay; the core's own are 0.0126 and 0.0783.
    "training": {"learning_rate": 7.3e-3, "weight_decay": 0.6893, "batch": 1, "frames": 300},
}
DEMO = {
    "model": {
        "patch_pixels": 9,
        "patch_stride": 6,
        "width": 32,
        "spatial_depth": 2,
        "temporal_depth": 2,
        "heads": 2,
        "head_width": 16,
        "hidden": 64,
        "registers": 4,
        "token_dropout": 0.0,
        "hidden_dropout": 0.0,
        "attention_dropout": 0.0,
        "drop_path": 0.0,
    },
    # Transformers learn slowly from so little: few tokens, and four times the steps, of half the windows.
    "training": {
        "learning_rate": tune.loguniform(2e-3, 6e-3),
        "frames": 32,
        "batch": 4,
        "steps": 240,
        "warmup": 0.5,
    },
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
        "registers": 2,
        "token_dropout": 0.0,
        "drop_path": 0.0,
        "max_frames": 45,
    },
    "training": {},
}
