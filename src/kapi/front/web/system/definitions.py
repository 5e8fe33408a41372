"""Definitions too large for Envoy, by the id of their API. Only routes of Envoy lead here."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kapi.apis.kinds import kind_in
from kapi.errors import Problem
from kapi.store import Store


class Definitions:
    """The one endpoint, bound to the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def routes(self) -> list[Route]:
        """The routes of `gateway/envoy/resources/routes/definitions.py`."""
        return [Route("/definitions/{api_id}", self.get, methods=["GET"])]

    async def get(self, request: Request) -> Response:
        """The definition as its kind of API serves it."""
        source = await run_in_threadpool(
            self._store.api_source, request.path_params["api_id"]
        )
        if source is None:
            raise Problem(
                404, "404", "Not Found", "The requested resource is not available."
            )
        conf_text, definition = source
        media_type, body = kind_in(conf_text).served(definition)
        return Response(body, 200, media_type=media_type)
