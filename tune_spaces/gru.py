"""2D core and convolutional GRU, the 2023 starter kit's recurrent baseline."""

from ray import tune

SPACE = {
    "model": {
        "features": tune.choice([4, 8, 16]),
        "rotations": tune.choice([4, 8]),
        "layers": tune.choice([2, 3, 4]),
        "recurrent_channels": tune.choice([32, 64, 96]),
        "recurrent_kernel": tune.choice([5, 7, 9]),
        "batch_norm_momentum": tune.choice([0.1, 0.9]),
    },
    "training": {"learning_rate": tune.loguniform(1e-3, 1e-2), "weight_decay": tune.loguniform(1e-3, 1e-1)},
}
PUBLISHED: dict[str, dict[str, object]] = {
    "model": {
        "features": 8,
        "rotations": 8,
        "layers": 4,
        "input_kernel": 9,
        "hidden_kernel": 7,
        "recurrent_channels": 64,
        "recurrent_kernel": 9,
        "batch_norm_momentum": 0.9,
    },
    "training": {"learning_rate": 5e-3, "weight_decay": 0.01, "batch": 8, "frames": 80},
}
DEMO = {
    "model": {
        "features": 4,
        "rotations": 4,
        "layers": 2,
        "hidden_kernel": 5,
        "stride": 2,
        "recurrent_channels": 16,
        "recurrent_kernel": tune.choice([3, 5]),
        "batch_norm_momentum": 0.1,
    },
    "training": {"learning_rate": tune.loguniform(3e-3, 8e-3), "frames": 32, "warmup": 0.3},
}
SMALL = {
    "model": {
        "features": 2,
        "rotations": 4,
        "layers": 2,
        "hidden_kernel": 3,
        "stride": 2,
        "recurrent_channels": 4,
        "recurrent_kernel": 3,
    },
    "training": {},
}
