"""The routes of a gRPC API below one base path: one exact path for each method. Pure.

Other calls find no route: Envoy answers them UNIMPLEMENTED, as a gRPC server does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

from kapi.apis.ir import Api, path_at
from kapi.apis.kinds.grpc import TranscodedOperation
from kapi.gateway.envoy.resources.context import RenderContext
from kapi.gateway.envoy.resources.routes.definitions import definition_routes
from kapi.gateway.envoy.resources.routes.grpc.transcoded import (
    template_pattern,
    transcoded_requests,
)
from kapi.gateway.envoy.resources.routes.operations import Requests, operation_routes
from kapi.gateway.envoy.resources.routes.paths import Rewrite, first_segment
from kapi.policies import Place
from kapi.policies.kinds.grpc import GrpcCalls
from kapi.typed import first_of

_GRPC_OR_WEB: Final = {
    "name": "content-type",
    "string_match": {"prefix": "application/grpc"},
}
"""Envoy's own match for gRPC leaves out `application/grpc-web`."""


def grpc_routes(
    api: Api, base_path: str, placed: Sequence[Place], context: RenderContext
) -> Iterable[dict[str, Any]]:
    """The definition where it is in the same scope, then the methods."""
    in_scope = first_segment(base_path)
    paths = [path_at(place.operation, base_path) for place in placed]
    if not paths or in_scope in map(first_segment, paths):
        yield from definition_routes(api, base_path)
    for place in placed:
        yield from operation_routes(place, _requests(place), context)


def _requests(place: Place) -> Requests:
    """The calls of a method. The backend gets the path of its own package."""
    operation = place.operation
    if isinstance(operation, TranscodedOperation):
        return transcoded_requests(place)
    node = first_of(operation.policies, GrpcCalls)
    path = path_at(operation, place.base_path)
    if node is None:
        # A pre-flight request (`policies/cors.py`), which reaches no backend.
        options = {"name": ":method", "string_match": {"exact": "OPTIONS"}}
        regex = re.escape(place.base_path) + template_pattern(operation.path)
        match = {"safe_regex": {"regex": regex}}
        return Requests(match, (options,), lambda _: Rewrite("", "/", is_fixed=True))
    own = f"/{node.service(operation.target)}/{operation.verb}"

    def rewrite(backend_base: str) -> Rewrite:
        return Rewrite("", backend_base.rstrip("/") + own, is_fixed=True)

    if node.web:
        return Requests({"path": path}, (_GRPC_OR_WEB,), rewrite)
    return Requests({"path": path, "grpc": {}}, (), rewrite)
