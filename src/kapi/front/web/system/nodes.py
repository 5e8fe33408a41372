"""The nodes API, `/api/nodes`: the platforms that share the database, and what each has live."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kapi.front.web.http.access import Access, json_answer
from kapi.front.web.system.apis import DEPLOY_SCOPE
from kapi.store.nodes import StoredNode


class NodesApi:
    """The endpoint of this API."""

    def __init__(
        self,
        access: Access,
        nodes: Callable[[], Sequence[StoredNode]],
        change: Callable[[], int],
    ) -> None:
        """`change` returns the number of the newest change of deployments."""
        self._access = access
        self._nodes = nodes
        self._change = change

    def routes(self) -> list[Route]:
        """The routes of this API."""
        return [Route("/api/nodes", self.list, methods=["GET"])]

    async def list(self, request: Request) -> Response:
        """All nodes with the newest change that the gateway of each has, and the newest of all."""
        self._access.principal(request, DEPLOY_SCOPE)
        return json_answer(await run_in_threadpool(self._listed))

    def _listed(self) -> dict[str, Any]:
        change = self._change()
        return {"change": change, "nodes": [_shown(node) for node in self._nodes()]}


def _shown(node: StoredNode) -> dict[str, Any]:
    return {
        "id": node.id,
        "name": node.name,
        "version": node.version,
        "startedAt": node.started_at,
        "seenSeconds": node.seen_seconds,
        "alive": node.alive,
        "change": node.confirmed.deployments,
    }
