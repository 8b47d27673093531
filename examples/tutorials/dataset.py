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
# # The dataset
#
# What is in a mouse, from the published files to a picture of its neurons. The mice are simulated, small ones, so that
# this runs in seconds; published ones are read in the same way.
#
# This page is a script with cells, `examples/tutorials/dataset.py`: run it with Python, open it as a notebook with
# `jupytext --to ipynb`, or read it here, where it was run when the guide was built.

# %%
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import sensorium_ray as sr
from sensorium_ray.data.simulate import SCALES

scale = replace(
    SCALES["demo"], neurons=(80,), train=20, repeats=2, frames=120, padded=120, cut=(119, 100), calibration=4
)
sr.simulate("mice", scale, seed=0)
store = sr.ingest("mice", "store")
print(store.benchmark.name, *store.mice, sep="\n")

# %% [markdown]
# ## Tiers
#
# Every trial has a tier. Videos of the training tier are shown once, those of all others again and again.

# %%
mouse = store[store.mice[0]]
trials = pd.DataFrame(
    [
        (trial.trial, trial.tier, trial.frames, trial.video)
        for tier in store.benchmark.tiers
        for trial in mouse.select(tier)
    ],
    columns=["trial", "tier", "frames", "video"],
)
trials.groupby("tier", sort=False).agg(
    trials=("trial", "size"), videos=("video", "nunique"), frames=("frames", "median")
)

# %% [markdown]
# ## A trial
#
# A clip is what a model is asked with: the video, and what the mouse did. The responses are what it has to predict.

# %%
trial = mouse.select("oracle")[0].trial
clip, responses = mouse.clip(trial), mouse.responses(trial)
print("video", clip.video.shape, "behavior", clip.behavior.shape, "pupil centre", clip.pupil_center.shape)
print("responses", responses.shape)

# %%
figure, axes = plt.subplots(1, 5, figsize=(10, 1.4))
for frame, axis in zip(range(0, clip.frames, clip.frames // 5), axes, strict=False):
    axis.imshow(clip.video[frame], cmap="gray", vmin=0, vmax=255)
    axis.set(title=f"{frame / clip.rate:.2f} s", xticks=[], yticks=[])

# %%
seconds = np.arange(clip.frames) / clip.rate
figure, axes = plt.subplots(3, 1, figsize=(10, 5), sharex=True, height_ratios=[3, 1, 1], layout="constrained")
bright = np.percentile(responses, 98)
axes[0].imshow(responses, aspect="auto", cmap="magma", vmax=bright, extent=(0, seconds[-1], mouse.neurons, 0))
axes[0].set_ylabel("neuron")
for axis, values, name in zip(axes[1:], clip.behavior, store.benchmark.behavior, strict=True):
    axis.plot(seconds, values)
    axis.set_ylabel(name.replace(" ", "\n"))
axes[-1].set_xlabel("seconds")
plt.show()

# %% [markdown]
# ## Repeats
#
# Repeats of a video share its id. What they have in common is signal, what they have not is noise: here two repeats of
# the neuron whose repeats agree best, in the video that it responds to most.

# %%
repeats = trials[trials.tier == "oracle"].groupby("video").trial.apply(list)
pairs = [
    np.stack([mouse.responses(trial) for trial in some[:2]])
    for some in repeats
    if len({mouse.trial(trial).frames for trial in some}) == 1
]
one, other = np.concatenate(pairs, axis=2)
agreement = np.array([np.corrcoef(a, b)[0, 1] if a.std() and b.std() else 0.0 for a, b in zip(one, other, strict=True)])
best = int(agreement.argmax())
print(f"correlation between repeats: median {np.median(agreement):.2f}, best {agreement[best]:.2f}")
plt.figure(figsize=(10, 2))
plt.plot(max((pair[:, best] for pair in pairs), key=np.sum).T)
plt.xlabel("frame")
plt.show()

# %% [markdown]
# ## Frames
#
# A trial's file has a row a frame. Reading some frames reads no others, which is what training does all the time.

# %%
rows = mouse.rows(trial)
window = rows[20:36]
print(rows.dtype.names, window["video"].shape, window["responses"].shape)

# %% [markdown]
# ## The truth
#
# Simulated neurons come with the parameters that they were made from.

# %%
truth = pd.read_csv(f"mice/truth/{mouse.name}/neurons.csv")
plt.figure(figsize=(5, 3))
plt.scatter(truth.rf_x, truth.rf_y, c=truth.direction, cmap="hsv", vmin=0, vmax=2 * np.pi)
plt.colorbar(label="preferred direction, radians")
plt.gca().set(xlim=(0, 64), ylim=(36, 0), xlabel="pixel", ylabel="pixel", title="receptive fields")
plt.show()
