# ---
# jupyter:
#   jupytext:
#     formats: py:percent,ipynb
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A model
#
# Train a small network, watch it learn, make a bundle of it, and compare what it predicts with what was recorded.

# %%
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import sensorium_ray as sr
from sensorium_ray.data.simulate import SCALES
from sensorium_ray.training.settings import TrainSettings

# One mouse of 80 neurons and short trials; `SCALES["demo"]` itself takes minutes, and is more to learn from.
scale = replace(
    SCALES["demo"], neurons=(80,), train=60, repeats=2, frames=120, padded=120, cut=(119, 100), calibration=4
)
sr.simulate("mice", scale, seed=0)
store = sr.ingest("mice", "store")

# %% [markdown]
# ## Train
#
# The starter kit's baseline, factorised 3D convolutions, in a size for one core. Every epoch is scored on the oracle
# tier, and the best is kept.

# %%
small = {
    "channels": (8, 16),
    "spatial_kernels": (11, 5),
    "temporal_kernels": (9, 5),
    "stride": 2,
    "batch_norm_momentum": 0.1,
    "gabor_start": True,  # the first filters are Gabors, not random numbers
}
how = TrainSettings(epochs=6, steps=40, batch=8, frames=32, learning_rate=5e-3, warmup=0.3, seed=1)
result = sr.train("store", "factorised3d", "trained", small, how)
curve = pd.DataFrame(result["epochs"])
curve.plot(x="number", y=["loss", "oracle_correlation"], subplots=True, figsize=(6, 3), marker="o")
plt.show()

# %% [markdown]
# ## Export
#
# The bundle holds an ONNX graph, compared with torch on real clips before it is written.

# %%
manifest = sr.export("trained", "bundle")
print(manifest.architecture, "differs from torch by", f"{manifest.parity.max_error:.1e}")

# %% [markdown]
# ## Predict

# %%
model = sr.load("bundle")
mouse = store[store.mice[0]]
trial = mouse.select("oracle")[0].trial
predicted, recorded = model.predict(mouse.clip(trial), mouse.name), mouse.responses(trial)
print(predicted.shape, recorded.shape)

# %% [markdown]
# Which neurons are predicted well? Here over all oracle trials, and the trace of the best one.

# %%
oracle = [info.trial for info in mouse.select("oracle")]
predictions = np.concatenate([model.predict(mouse.clip(each), mouse.name) for each in oracle], axis=1)
recordings = np.concatenate([mouse.responses(each) for each in oracle], axis=1)
scores = np.array([np.corrcoef(p, r)[0, 1] for p, r in zip(predictions, recordings, strict=True)])
best = int(np.nanargmax(scores))

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 2.6), width_ratios=[1, 2], layout="constrained")
left.hist(scores[np.isfinite(scores)], bins=12)
left.set(xlabel="single-trial correlation", ylabel="neurons")
right.plot(recordings[best], color="0.7", label="recorded")
right.plot(predictions[best], label="predicted")
right.set(xlabel="frame of the oracle trials", title=f"neuron {best}, {scores[best]:.2f}")
right.legend(frameon=False)
plt.show()

# %% [markdown]
# These are correlations over all frames. The benchmark counts from frame 50 on, over all neurons of all mice:
# `sr.score` does, in the [next tutorial](submission).
#
# ## Ask it something else
#
# A model answers to videos that no mouse has seen. A grating drifts to the right, and the population answers.

# %%
frames, height, width = 60, *model.manifest.frame_shape
time, _, x = np.meshgrid(np.arange(frames) / 30, np.arange(height), np.arange(width), indexing="ij")
behavior = np.tile(mouse.clip(trial).behavior.mean(axis=1, keepdims=True), frames)
gaze = np.tile(mouse.clip(trial).pupil_center.mean(axis=1, keepdims=True), frames)
grating = sr.Clip(128 + 100 * np.sin(2 * np.pi * (x / 16 - 2 * time)), behavior, gaze)
plt.figure(figsize=(10, 2.4))
plt.imshow(model.predict(grating, mouse.name), aspect="auto", cmap="magma")
plt.gca().set(xlabel="frame", ylabel="neuron")
plt.colorbar(label="predicted response")
plt.show()
