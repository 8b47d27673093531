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
    "training": {
        "learning_rate": 2.4e-3,
        "weight_decay": 0.05,
        "batch": 32,
        "mice": 10,
        "average": 0.999,
        "warmup": 3.0,
        "clip_norm": 0.0,
        "cutmix": 0.5,
    },
}
DEMO = {
    "model": {
        "core_features": (8, 64, 128),
        "spatial_strides": (2, 2, 1),
        "spatial_kernel": 5,
        "expansion": 3,
        "cortex_features": (512,),
        "dropout": 0.0,
        "drop_path": 0.0,
        "softplus_beta": 1.0,
        "pooled_pixels": 2,
        "padded_shape": (18, 32),
        "window_hop": 16,
        "normalisation": "pooled",
    },
    # Pooled readouts find a neuron's place slowly: four times the steps, of half the windows.
    "training": {"learning_rate": tune.loguniform(4e-3, 7e-3), "batch": 4, "steps": 240, "warmup": 0.3},
}
SMALL = {
    "model": {
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
    "training": {},
}
