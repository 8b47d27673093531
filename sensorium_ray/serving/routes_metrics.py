"""The address that Prometheus asks."""

from __future__ import annotations

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from . import monitoring
from .monitoring import Gather
from .openapi import REFUSED, TOLD_METRICS
from .requests import METRICS


def routes(gather: Gather) -> APIRouter:
    """Router that tells what was gathered."""
    router = APIRouter(tags=["operating"], responses=REFUSED)

    @router.get(METRICS, response_class=Response, responses=TOLD_METRICS)
    async def metrics() -> Response:
        """Tell what is counted, of every replica, in Prometheus' text format."""
        return Response(monitoring.exposition(await gather()), media_type=CONTENT_TYPE_PLAIN_0_0_4)

    return router
