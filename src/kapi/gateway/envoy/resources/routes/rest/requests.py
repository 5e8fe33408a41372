"""Which requests are for a REST operation: paths of its target and base path, and methods. Pure.

HEAD is GET without the body (RFC 9110 §9.3.2) if the target has no HEAD of its own. For `rest/`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import partial
from typing import Any

from kapi.apis.ir import Api, Operation
from kapi.apis.model.rules import target_key
from kapi.dataclass import dataclass
from kapi.gateway.envoy.resources.routes.operations import Requests
from kapi.gateway.envoy.resources.routes.paths import match_pattern, rewrite
from kapi.policies import Place
from kapi.policies.traffic.url_rewrite import backend_path


@dataclass(frozen=True, slots=True)
class RestRequests:
    """The requests for an operation at one place."""

    place: Place
    methods: tuple[str, ...]
    exact: bool
    """Whether another operation of the API differs in the last slash of its target only."""

    @property
    def verb(self) -> str:
        """The verb of the operation."""
        return self.place.operation.verb

    @property
    def target(self) -> str:
        """The target of the operation."""
        return self.place.operation.target

    @property
    def of_routes(self) -> Requests:
        """Match and rewrite of its routes."""
        base_path = self.place.base_path
        regex = match_pattern(base_path, self.target, exact=self.exact)
        method = {"name": ":method", "string_match": self._method()}
        path = backend_path(self.place.operation) or self.target
        rewritten = partial(rewrite, base_path, self.target, path=path)
        return Requests({"safe_regex": {"regex": regex}}, (method,), rewritten)

    def _method(self) -> dict[str, Any]:
        if len(self.methods) > 1:
            return {"safe_regex": {"regex": "|".join(self.methods)}}
        return {"exact": self.methods[0]}


def rest_requests(api: Api, placed: Iterable[Place]) -> list[RestRequests]:
    """The requests for operations of the API, in the same order."""
    counted = Counter(map(_key, api.operations))
    found = []
    for place in placed:
        verb, target = _key(place.operation)
        methods = place.operation.methods
        if (
            verb == "GET"
            and ("HEAD", target) not in counted
            and not place.gateway.apk_methods
        ):
            methods = ("GET", "HEAD")
        found.append(RestRequests(place, methods, exact=counted[verb, target] > 1))
    return found


def _key(operation: Operation) -> tuple[str, str]:
    """Verb, and target without its last slash."""
    return operation.verb, target_key(operation.target)
