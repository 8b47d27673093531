"""An ONNX file that answers clips: an npz of arrays in, an npy (neurons, frames) out.

Needs numpy and onnxruntime alone, so that every server runs it in an environment of its own.
"""

from __future__ import annotations

import io

import numpy as np
import onnxruntime as ort


class Network:
    """The file of a bundle, for one mouse.

    Parameters
    ----------
    path : of the ONNX file.
    neurons : how many answer, all that it has.
    threads : of onnxruntime for one answer; 0: all cores.
    """

    def __init__(self, path: str, neurons: int, threads: int = 0) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.enable_mem_pattern = False  # as in sensorium_ray.bundle.predictor
        self._session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self._neurons = np.arange(neurons)

    def run(self, video: np.ndarray) -> np.ndarray:
        """Responses (neurons, frames) float32 to a video (frames, height, width) float32."""
        [responses] = self._session.run(None, {"video": video[None], "neurons": self._neurons})
        return responses[0]

    def answer(self, body: bytes) -> bytes:
        """Bytes to bytes."""
        with np.load(io.BytesIO(body), allow_pickle=False) as archive:
            video = archive["video"]
        buffer = io.BytesIO()
        np.save(buffer, self.run(video))
        return buffer.getvalue()
