"""Metrics in Prometheus' text format.

`/api/metrics` needs a token with the scope `kapi:metrics`. `/metrics` is on the Unix socket of the
process and on the listener of `metrics.listen` only: the gateway has no route to it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kapi.figures import MEDIA_TYPE, Family, text_of
from kapi.front.web.http.access import Access

METRICS_SCOPE = "kapi:metrics"

Source = Callable[[], Iterable[Family]]
"""Reads some metrics."""


class Metrics:
    """The endpoint, bound to what it reads."""

    def __init__(self, access: Access, sources: Sequence[Source]) -> None:
        self._access = access
        self._sources = sources

    def routes(self) -> list[Route]:
        """With a token, and without one on the local socket."""
        return [
            Route("/api/metrics", self.over_https, methods=["GET"]),
            *self.local_routes(),
        ]

    def local_routes(self) -> list[Route]:
        """The route on the local socket, which needs no token."""
        return [Route("/metrics", self.on_this_machine, methods=["GET"])]

    async def over_https(self, request: Request) -> Response:
        """Metrics for scrapers with a token."""
        self._access.principal(request, METRICS_SCOPE)
        return await self._answer()

    async def on_this_machine(self, request: Request) -> Response:  # noqa: ARG002 - Starlette's
        """Metrics for processes that may open the socket.

        `curl --unix-socket run/control.sock http://localhost/metrics`
        """
        return await self._answer()

    async def _answer(self) -> Response:
        return Response(await asyncio.to_thread(self._text), media_type=MEDIA_TYPE)

    def _text(self) -> str:
        return text_of(family for source in self._sources for family in source())
