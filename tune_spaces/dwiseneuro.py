"""DwiseNeuro, the winner of Sensorium 2023."""

from ray import tune

SPACE = {
    "model": {
        "core_features": tune.choice(
            [(64, 64, 64, 64, 128, 128, 128, 256, 256), (32, 32, 32, 64, 64, 64, 128, 128, 128)]
        ),
        "expansion": tune.choice([4, 6, 7]),
        "cortex_features": tune.choice([(512, 1024, 2048), (1024, 2048, 4096)]),
        "dropout": tune.uniform(0.2, 0.5),
        "drop_path": tune.uniform(0.0, 0.2),
    },
    "training": {"learning_rate": tune.loguniform(5e-4, 5e-3), "weight_decay": tune.loguniform(1e-2, 2e-1)},
}
PUBLISHED = {
    "model": {
        "core_features": (64, 64, 64, 64, 128, 128, 128, 256, 256),
        "spatial_strides": (2, 1, 1, 1, 2, 1, 1, 2, 1),
        "expansion": 7,
        "cortex_features": (1024, 2048, 4096),
    },
    "training": {"learning_rate": 2.4e-3, "weight_decay": 0.05, "batch": 32, "average": 0.999, "warmup": 3.0},
}
DEMO = {
    "model": {
        "core_features": (16, 32, 64),
        "spatial_strides": (2, 2, 2),
        "expansion": 3,
        "cortex_features": (128, 256),
        "dropout": tune.choice([0.1, 0.25]),
        "drop_path": 0.0,
        "softplus_beta": 1.0,
        "padded_shape": (36, 64),
        "normalisation": "pooled",
    },
    "training": {"learning_rate": tune.loguniform(2e-3, 6e-3), "batch": 16},
}
