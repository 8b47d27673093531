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
# # A submission
#
# Score a model on both tracks, write the competition's files, check them, and enter a leaderboard.

# %%
import pandas as pd

import sensorium_ray as sr
from sensorium_ray.data.simulate import SCALES
from sensorium_ray.training.settings import TrainSettings

sr.simulate("mice", SCALES["tiny"], seed=0)
store = sr.ingest("mice", "store")
small = {"channels": 8, "spatial_kernel": 9, "temporal_kernel": 7, "stride": 2, "gabor_start": True}
for seed in (1, 2):
    how = TrainSettings(epochs=3, steps=20, batch=8, frames=32, seed=seed)
    sr.train("store", "linear_nonlinear", f"trained/{seed}", small, how)
    sr.export(f"trained/{seed}", f"bundles/seed-{seed}")

# %% [markdown]
# ## Score
#
# Responses of the test tiers are withheld; `truth` has them. The ceiling is what the true expected response would
# score: no model can be expected to do better.

# %%
table = sr.score(["bundles/seed-1", "bundles/seed-2"], "store", "scores", truth="mice")
pd.DataFrame(
    [
        (track, stage, row.bundle, row.single_trial_correlation, row.interval, row.fraction_of_ceiling)
        for (track, stage), ranking in table.rankings.items()
        for row in ranking
    ],
    columns=["track", "stage", "bundle", "single-trial correlation", "95 % interval", "of ceiling"],
)

# %% [markdown]
# Below the ranking lies a row a neuron and metric.

# %%
rows = table.table.to_pandas()
rows[(rows.track == "main") & (rows.family == "all")].pivot_table(
    index="metric", columns=["bundle", "stage"], values="value", observed=True
)

# %% [markdown]
# Some seconds of training on 42 neurons, scored on ten frames a trial: the intervals say that these scores are hardly
# more than noise. What counts here is the way; [results](../results) has real ones.
#
# ## Write the files

# %%
files = sr.submit("bundles/seed-1", "store", "submission")
for file in files:
    check = sr.check_submission(file, "store")
    print(file.name, f"{len(check.faults)} faults, {len(check.warnings)} warnings")
    for held in check.files:
        print("   ", held)

# %% [markdown]
# ## Enter a leaderboard
#
# An organiser founds it with the responses that only they have. A team learns its score of the live stage; the final
# stage is withheld until the organiser opens it.

# %%
board = sr.Leaderboard.create("board", "store", "mice/truth", limit_per_day=5)
for seed in (1, 2):
    (main, *_) = sr.submit(f"bundles/seed-{seed}", "store", f"sent/{seed}", tracks=["main"])
    receipt = board.submit(main, team=f"team {seed}", note="two cores, one minute")
    print(receipt.team, receipt.scores["main"]["single_trial_correlation"]["value"], "withheld:", *receipt.withheld)

# %%
board.open_final()
pd.DataFrame(
    [
        (track, stage, row.rank, row.team, row.scores["single_trial_correlation"]["value"])
        for stage in ("live", "final")
        for track, standings in board.all_standings(stage).items()
        for row in standings
    ],
    columns=["track", "stage", "rank", "team", "single-trial correlation"],
)
