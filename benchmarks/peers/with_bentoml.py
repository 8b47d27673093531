"""PEER_FILE=… PEER_NEURONS=… bentoml serve with_bentoml:Peer: BentoML answers with an ONNX file at /predict."""

import os
from typing import Annotated

import bentoml
from bentoml.validators import ContentType
from network import Network


@bentoml.service(workers=1, traffic={"timeout": 600})
class Peer:
    """One worker; bytes in, bytes out."""

    def __init__(self) -> None:
        self._network = Network(os.environ["PEER_FILE"], int(os.environ["PEER_NEURONS"]))

    @bentoml.api
    def predict(
        self, body: Annotated[bytes, ContentType("application/x-npz")], /
    ) -> Annotated[bytes, ContentType("application/x-npy")]:
        """Answer a clip."""
        return self._network.answer(body)
