"""python with_mlserver.py FILE NEURONS PORT: MLServer answers with an ONNX file at /predict.

Over HTTP its own addresses take JSON alone, of which a full answer is tens of megabytes; so it gets one that takes
bytes, and runs the network in the server's own process, where nothing is copied.
"""

import asyncio
import sys

from fastapi import Request, Response
from mlserver import MLModel, MLServer, ModelSettings, Settings
from mlserver.handlers import custom_handler
from network import Network


class Peer(MLModel):
    """Bytes in, bytes out."""

    async def load(self) -> bool:
        """Open the file."""
        self._network = Network(sys.argv[1], int(sys.argv[2]))
        return True

    @custom_handler(rest_path="/predict")
    async def answer(self, request: Request) -> Response:
        """Answer a clip."""
        content = await asyncio.to_thread(self._network.answer, await request.body())
        return Response(content, media_type="application/x-npy")


async def main() -> None:
    settings = Settings(
        debug=False, host="127.0.0.1", http_port=int(sys.argv[3]), grpc_port=0, metrics_endpoint=None,
        parallel_workers=0, gzip_enabled=False,
    )  # fmt: skip
    await MLServer(settings).start([ModelSettings(name="network", implementation=Peer)])


if __name__ == "__main__":
    asyncio.run(main())
