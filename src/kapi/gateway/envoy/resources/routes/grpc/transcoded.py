"""HTTP requests that Envoy's transcoder turns into gRPC calls (google.api.http). Pure.

The route decides which method is called: the transcoder of a route knows one rule, and the path for
the backend is fixed.
"""

from __future__ import annotations

import re

from kapi.gateway.envoy.resources.routes.operations import Requests
from kapi.gateway.envoy.resources.routes.paths import Rewrite
from kapi.policies import Place
from kapi.policies.kinds.grpc import Transcoding
from kapi.typed import of_kind

_PARTS = re.compile(r"\{[^{}]*\}|\*\*|\*|[^{}*]+")


def transcoded_requests(place: Place) -> Requests:
    """The requests of one rule."""
    node = next(of_kind(place.operation.policies, Transcoding))
    method = {"name": ":method", "string_match": {"exact": node.http_method}}
    path = f"/{node.service}/{node.method}"
    regex = re.escape(place.base_path) + template_pattern(node.template)

    def rewrite(backend_base: str) -> Rewrite:
        return Rewrite("", backend_base.rstrip("/") + path, is_fixed=True)

    return Requests({"safe_regex": {"regex": regex}}, (method,), rewrite)


def template_pattern(template: str) -> str:
    """A path template (google/api/http.proto, "Path template syntax") as an expression of RE2."""
    return "".join(map(_part, _PARTS.findall(template)))


def _part(text: str) -> str:
    if text == "**":
        return ".*"
    if text == "*":
        return "[^/]+"
    if text.startswith("{"):
        _, has_pattern, pattern = text[1:-1].partition("=")
        if has_pattern:
            return template_pattern(pattern)
        return "[^/]+"
    return re.escape(text)
