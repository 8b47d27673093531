"""An encoder: raw clip in, raw responses out, for any of its mice and any of their neurons."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..data.windows import Chunks, Cut
from .normalisation import Normalisation, Normaliser
from .population import Population


class Encoder(nn.Module):
    """Normalise, core, readout, and back to the units of the recording.

    Everything that depends on the mouse is looked up by index inside the network, so that one exported
    graph serves all mice and any subset of neurons.

    Parameters
    ----------
    core : called with video (batch, frames, height, width), behavior (batch, channels, frames) and pupil centre
        (batch, 2, frames), all normalised; gives features of every frame, or of the last ones.
    readout : called with the core's features, behavior, pupil centre, mouse (batch,) and neurons (n,); gives
        (batch, n, frames of the features).
    receptive_field : frames of the past that an answer depends on, its own included, of a core that drops
        `receptive_field - 1` frames at the front; 1 for any other.
    cut : how a long clip is cut for this network; None: chunks that overlap by the receptive field, which is exact.
    """

    def __init__(
        self,
        population: Population,
        core: nn.Module,
        readout: nn.Module,
        normalisation: Normalisation,
        receptive_field: int = 1,
        cut: Cut | None = None,
    ) -> None:
        super().__init__()
        self.normaliser = Normaliser(population, normalisation)
        self.core = core
        self.readout = readout
        self.receptive_field = receptive_field
        self.cut = cut or Chunks(past=receptive_field - 1)

    def forward(
        self, video: Tensor, behavior: Tensor, pupil_center: Tensor, mouse: Tensor, neurons: Tensor, moment: Tensor
    ) -> Tensor:
        """Responses to every frame that `cut.answered` counts, the last ones of the clip.

        The first frame is held for as long as the receptive field reaches back.

        Parameters
        ----------
        video : (batch, frames, height, width) float32, grey levels 0..255.
        behavior, pupil_center : (batch, channels, frames) and (batch, 2, frames) float32, as recorded.
        mouse : (batch,) int64, the mouse's place in the population.
        neurons : (n,) int64, numbered through all mice; all of them belong to `mouse`.
        moment : (batch, frames) int64, the place of each frame in its trial, for normalisations that know the time.

        Returns
        -------
        (batch, n, answered frames) float32, deconvolved calcium, arbitrary units, not negative.
        """
        held = self.receptive_field - 1
        if held:
            video = torch.cat([video[:, :1].expand(-1, held, -1, -1), video], dim=1)
            behavior = torch.cat([behavior[:, :, :1].expand(-1, -1, held), behavior], dim=2)
            pupil_center = torch.cat([pupil_center[:, :, :1].expand(-1, -1, held), pupil_center], dim=2)
            moment = torch.cat([moment[:, :1].expand(-1, held), moment], dim=1)
        normalised = self.normalised_responses(video, behavior, pupil_center, mouse, neurons, moment)
        return normalised * self.response_units(neurons, moment, normalised.shape[2])

    def normalised_responses(
        self, video: Tensor, behavior: Tensor, pupil_center: Tensor, mouse: Tensor, neurons: Tensor, moment: Tensor
    ) -> Tensor:
        """Responses in `response_units`, for the last frames of the clip: those whose receptive field is in it.

        Returns
        -------
        (batch, n, answered frames) float32.
        """
        return self.readout(*self.features(video, behavior, pupil_center, mouse, moment), mouse, neurons)

    def features(
        self, video: Tensor, behavior: Tensor, pupil_center: Tensor, mouse: Tensor, moment: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """What readouts take: the core's features, and normalised behavior and pupil centre, one entry a window.

        The windows may be of several mice; each mouse's readout then takes its own.
        """
        inputs = self.normaliser(video, behavior, pupil_center, mouse, moment)
        return self.core(*inputs), inputs[1], inputs[2]

    def response_units(self, neurons: Tensor, moment: Tensor, frames: int) -> Tensor:
        """What normalised responses to the last `frames` frames are multiplied by: (batch, n, frames), or 1 there."""
        return self.normaliser.responses_at(neurons, moment[:, moment.shape[1] - frames :])
