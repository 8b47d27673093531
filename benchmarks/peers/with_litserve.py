"""python with_litserve.py FILE NEURONS PORT: LitServe answers with an ONNX file at /predict."""

import sys
from typing import Annotated

import litserve
from fastapi import Body, Response
from network import Network


class Api(litserve.LitAPI):
    """One worker; bytes in, bytes out."""

    def setup(self, device: str) -> None:
        """Open the file."""
        self._network = Network(sys.argv[1], int(sys.argv[2]))

    def decode_request(self, request: Annotated[bytes, Body(media_type="application/x-npz")]) -> bytes:
        """As it comes."""
        return request

    def predict(self, body: bytes) -> bytes:
        """Answer a clip."""
        return self._network.answer(body)

    def encode_response(self, answer: bytes) -> Response:
        """As it goes."""
        return Response(answer, media_type="application/x-npy")


if __name__ == "__main__":
    server = litserve.LitServer(Api(), accelerator="cpu", timeout=600, fast_queue=True)
    server.run(host="127.0.0.1", port=int(sys.argv[3]), log_level="error", generate_client_file=False)
