"""What a sweep searches: one file an architecture, named like its module.

`SPACE` maps settings to Ray Tune distributions or plain values: `model` those of the architecture's `Config`,
`training` those of `TrainSettings`. `PUBLISHED` is the paper's point. `DEMO` is a space small enough for two
CPU cores. `SMALL` is one network that trains in a second, which every test of architectures runs.
"""
