"""Help texts that several commands share."""

FRAMES = (
    "Frames of a trial that count, both ends included: 50..299 (default of 2023), the winner's 50..298, or 50..end; "
    "0..0 of 2022."
)
ADDRESS = "Ray cluster to run on; this machine unless given."
TRACK = "Track of the benchmark (main, ood; of 2022: sensorium, sensorium+), or both."
