"""The network of a model's bundle: windows of clips in, responses out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
import onnxruntime as ort

from ..errors import BundleError
from .manifest import ONNX

_PROVIDERS: dict[str, dict[str, str]] = {
    # TF32 keeps ten bits of a factor: a bundle would answer otherwise on a GPU than where it was exported.
    "CUDAExecutionProvider": {"use_tf32": "0"},
    "CPUExecutionProvider": {},
}

Windows = Mapping[str, np.ndarray]
"""video (batch, frames, height, width), behavior (batch, channels, frames), pupil_center (batch, 2, frames), float32;
mouse (batch,), its place among the bundle's mice; neurons (n,), numbered through all mice; moment (batch, frames), the
place of every frame in its clip; int64."""


class Network(Protocol):
    """What answers windows, here or elsewhere."""

    def __call__(self, windows: Windows) -> np.ndarray:
        """Responses to the frames that the network answers: (batch, n, answered frames) float32."""


class OnnxNetwork:
    """An exported graph in onnxruntime, on the best device that it knows here.

    Parameters
    ----------
    bundle : folder of a model.
    threads : threads for one answer; 0: all cores.

    Raises
    ------
    BundleError : onnxruntime cannot load it.
    """

    def __init__(self, bundle: Path, threads: int = 0) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        # Planning the memory of a clip ahead holds more of it (benchmarks/memory.py).
        options.enable_mem_pattern = False
        # After an answer its threads would wait for the next one in a busy loop, on cores that others need.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        try:
            self._session = ort.InferenceSession(bundle / ONNX, options, providers=_with_options())
        except Exception as error:  # onnxruntime's own errors share no base class
            raise BundleError(f"onnxruntime cannot load it ({error})", str(bundle / ONNX), "export it again") from error
        self._inputs = [value.name for value in self._session.get_inputs()]

    def __call__(self, windows: Windows) -> np.ndarray:
        """Responses; see `Network`."""
        responses: np.ndarray = self._session.run(["responses"], {name: windows[name] for name in self._inputs})[0]
        return responses


def execution_providers() -> list[str]:
    """Names of what onnxruntime computes with here, best first: CUDA where its build for GPUs is there, then the CPU.

    Others that a build may bring are left alone: TensorRT, for one, compiles a graph anew for every length of a clip.
    """
    return [name for name in _PROVIDERS if name in ort.get_available_providers()]


def _with_options() -> list[tuple[str, dict[str, str]]]:
    names = execution_providers()
    if "CUDAExecutionProvider" in names:
        ort.preload_dlls()  # CUDA's libraries that were installed as packages, as torch's are
    return [(name, _PROVIDERS[name]) for name in names]
