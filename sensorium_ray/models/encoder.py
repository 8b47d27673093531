"""An encoder: raw clip in, raw responses out, for any of its mice and any of their neurons."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from ..data.windows import WindowSpec
from ..errors import ConfigError
from .population import Population

Normalisation = Literal["raw", "pooled"]


class Encoder(nn.Module):
    """Normalise, core, readout, and back to the units of the recording.

    Everything that depends on the mouse is looked up by index inside the network, so that one exported
    graph serves all mice and any subset of neurons.

    Parameters
    ----------
    core : called with video (batch, frames, height, width), behavior (batch, channels, frames) and pupil centre
        (batch, 2, frames); drops `receptive_field - 1` frames at the front.
    readout : called with the core's features, pupil centre, mouse (batch,) and neurons (n,); gives
        (batch, n, frames).
    receptive_field : frames of the past that an answer depends on, its own included; 1 for a network that
        keeps the number of frames.
    window : how a long clip is cut for this network; None: it takes any length in one pass.
    """

    def __init__(
        self,
        population: Population,
        core: nn.Module,
        readout: nn.Module,
        normalisation: Normalisation,
        receptive_field: int = 1,
        window: WindowSpec | None = None,
    ) -> None:
        super().__init__()
        self.normaliser = Normaliser(population, normalisation)
        self.core = core
        self.readout = readout
        self.receptive_field = receptive_field
        self.window = window

    def forward(self, video: Tensor, behavior: Tensor, pupil_center: Tensor, mouse: Tensor, neurons: Tensor) -> Tensor:
        """Responses to every frame; the first frame is held for as long as the receptive field reaches back.

        Parameters
        ----------
        video : (batch, frames, height, width) float32, grey levels 0..255.
        behavior, pupil_center : (batch, channels, frames) and (batch, 2, frames) float32, as recorded.
        mouse : (batch,) int64, the mouse's place in the population.
        neurons : (n,) int64, numbered through all mice; all of them belong to `mouse`.

        Returns
        -------
        (batch, n, frames) float32, deconvolved calcium, arbitrary units, not negative.
        """
        held = self.receptive_field - 1
        if held:
            video = torch.cat([video[:, :1].expand(-1, held, -1, -1), video], dim=1)
            behavior = torch.cat([behavior[:, :, :1].expand(-1, -1, held), behavior], dim=2)
            pupil_center = torch.cat([pupil_center[:, :, :1].expand(-1, -1, held), pupil_center], dim=2)
        normalised = self.normalised_responses(video, behavior, pupil_center, mouse, neurons)
        return normalised * self.normaliser.response_scale[neurons][:, None]

    def normalised_responses(
        self, video: Tensor, behavior: Tensor, pupil_center: Tensor, mouse: Tensor, neurons: Tensor
    ) -> Tensor:
        """Responses in units of `response_scale`, for the frames whose whole receptive field is in the clip.

        Returns
        -------
        (batch, n, frames - receptive_field + 1) float32.
        """
        inputs = self.normaliser(video, behavior, pupil_center, mouse)
        return self.readout(self.core(*inputs), inputs[2], mouse, neurons)


class Normaliser(nn.Module):
    """Scale inputs and responses by the training trials' statistics, looked up by mouse.

    'raw' leaves everything as recorded (the 2023 winner's way). 'pooled' z-scores video and pupil centre,
    divides behaviour by its standard deviation without subtracting the mean (the starter kit's way, which
    keeps a mouse at rest at 0) and divides responses by each neuron's; all statistics are pooled over
    frames, so that a clip of any length and from any moment is treated alike.
    """

    video_mean: Tensor
    video_scale: Tensor
    behavior_scale: Tensor
    pupil_mean: Tensor
    pupil_scale: Tensor
    response_scale: Tensor

    def __init__(self, population: Population, kind: Normalisation) -> None:
        super().__init__()
        mice, neurons = len(population.mice), population.neurons
        if kind == "raw":
            constants = {
                "video_mean": torch.zeros(mice),
                "video_scale": torch.ones(mice),
                "behavior_scale": torch.ones(mice, population.behavior_channels),
                "pupil_mean": torch.zeros(mice, 2),
                "pupil_scale": torch.ones(mice, 2),
                "response_scale": torch.ones(neurons),
            }
        elif kind == "pooled":
            constants = {
                "video_mean": torch.from_numpy(population.statistic("video_mean")),
                "video_scale": _positive(population.statistic("video_std")),
                "behavior_scale": _positive(population.statistic("behavior_std")),
                "pupil_mean": torch.from_numpy(population.statistic("pupil_mean")),
                "pupil_scale": _positive(population.statistic("pupil_std")),
                "response_scale": _positive(population.neuron_statistic("response_std")),
            }
        else:
            raise ConfigError(f"there is no normalisation '{kind}'", "normalisation", "known: raw, pooled")
        for name, value in constants.items():
            self.register_buffer(name, value)

    def forward(
        self, video: Tensor, behavior: Tensor, pupil_center: Tensor, mouse: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Scaled (video, behavior, pupil centre), same shapes."""
        return (
            (video - self.video_mean[mouse][:, None, None, None]) / self.video_scale[mouse][:, None, None, None],
            behavior / self.behavior_scale[mouse][:, :, None],
            (pupil_center - self.pupil_mean[mouse][:, :, None]) / self.pupil_scale[mouse][:, :, None],
        )


def _positive(scale: object) -> Tensor:
    """A scale to divide by: a silent neuron or a still mouse has none and keeps its units."""
    tensor = torch.as_tensor(scale, dtype=torch.float32)
    return torch.where(tensor > 1e-6, tensor, torch.ones_like(tensor))
