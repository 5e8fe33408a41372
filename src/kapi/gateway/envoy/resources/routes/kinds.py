"""The gateway part of the kinds of API: one kind is one function and its row in ROUTES.

The other part is in `apis/kinds`. For `scopes.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Protocol

from kapi.apis.ir import Api
from kapi.apis.kinds.graphql import GRAPHQL
from kapi.apis.kinds.grpc import GRPC
from kapi.apis.kinds.mcp import MCP
from kapi.apis.kinds.rest import REST
from kapi.gateway.envoy.resources.context import RenderContext
from kapi.gateway.envoy.resources.routes.graphql import graphql_routes
from kapi.gateway.envoy.resources.routes.grpc import grpc_routes
from kapi.gateway.envoy.resources.routes.mcp import mcp_routes
from kapi.gateway.envoy.resources.routes.rest import rest_routes
from kapi.policies import Place


class Routes(Protocol):
    """The routes of an API on one host below one base path."""

    def __call__(
        self, api: Api, base_path: str, placed: Sequence[Place], context: RenderContext
    ) -> Iterable[dict[str, Any]]:
        """The routes of one scope (first path segment), in the order of their matches.

        `placed` are the operations on the host, in the order of the IR. It is empty where the
        definition alone is in the scope.
        """


ROUTES: Final[Mapping[str, Routes]] = {
    REST.type: rest_routes,
    GRAPHQL.type: graphql_routes,
    GRPC.type: grpc_routes,
    MCP.type: mcp_routes,
}
"""By the type of the API."""
