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
# # Experiments in silico
#
# Measure what neurons are tuned to, on a simulated mouse whose neurons' parameters are known, and on a network that was
# trained on one. The mouse stands for what an experiment can find, the network for what a model has learned.

# %%
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np

import sensorium_ray as sr
from sensorium_ray.bundle.pretrained import PRETRAINED
from sensorium_ray.data.simulate import SCALES
from sensorium_ray.insilico.simulated import simulated_subject, true_parameters

[name] = sr.simulate("mice", replace(SCALES["tiny"], neurons=(60,)), seed=0)
mouse = simulated_subject("mice")
truth = true_parameters("mice", name)

# %% [markdown]
# ## Direction tuning
#
# Drifting gratings of eight directions, one spatial and one temporal frequency. Settings are in degrees of visual
# angle, Hz and seconds; `sensorium experiment direction_tuning` lists them.

# %%
tuning = sr.run_experiment(
    "direction_tuning", mouse, directions=8, spatial_frequencies=[0.05], temporal_frequencies=[2.0]
)
print(tuning)

# %%
found, true = tuning["preferred_direction"], np.degrees(truth["direction"])
error = abs((found.values - true.to_numpy() + 180) % 360 - 180)
selective = (tuning["dsi"] > 0.2).values
print(f"{selective.sum()} direction selective neurons, median error {np.median(error[selective]):.1f} degrees")

# %% [markdown]
# Every experiment draws its result.

# %%
sr.draw_experiment(tuning)

# %% [markdown]
# ## Receptive fields

# %%
fields = sr.run_experiment("sparse_noise", mouse, minutes=2.0)
plt.figure(figsize=(5, 3))
for axis, true in (("x", truth["rf_x"]), ("y", truth["rf_y"])):
    plt.plot(true, fields[f"field_{axis}"], ".", label=axis)
plt.xlabel("true centre, pixels")
plt.ylabel("found")
plt.legend()
plt.show()

# %% [markdown]
# ## The same on a model
#
# A subject is some neurons of a mouse as a bundle, an ensemble or an endpoint has them.

# %%
bundle = PRETRAINED / "factorised3d"
subject = sr.open_subject(bundle, sr.load(bundle).mice[0], neurons=range(20))
sr.draw_experiment(sr.run_experiment("sparse_noise", subject, minutes=2.0))

# %% [markdown]
# ## Most exciting images
#
# With gradients: the pixels that make a neuron answer most, under a bound on the contrast.

# %%
few = sr.open_subject(bundle, subject.mouse, neurons=range(6))
exciting = sr.run_experiment("most_exciting", few, iterations=20)
sr.draw_experiment(exciting)

# %% [markdown]
# ## Keep it
#
# With what made it: the experiment, its settings, the model and its checksum, the version.

# %%
sr.save_result(exciting, "exciting.nc")
print(sr.load_result("exciting.nc").attrs)
