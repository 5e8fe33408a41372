"""The rules of a REST API on one host, in the order of their matches. Pure.

The paths, methods and rewrites are those of Envoy's configuration
(`gateway/envoy/resources/routes/rest`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from kapi.apis.ir import Api
from kapi.gateway.envoy.resources.routes.paths import literal, match_pattern
from kapi.gateway.envoy.resources.routes.rest.disguises import Disguises
from kapi.gateway.envoy.resources.routes.rest.requests import (
    RestRequests,
    rest_requests,
)
from kapi.gateway.kubernetes.routes.entries import Entry
from kapi.gateway.kubernetes.routes.matches import PathMatch, is_one_path
from kapi.gateway.kubernetes.routes.places import PlacedOperations

LARGEST_DEFINITION: Final = 900_000
"""Bytes of a definition in a ConfigMap; a larger one is not served."""
_READ: Final = ("GET", "HEAD")


def rest_entries(api: Api, placed: Sequence[PlacedOperations]) -> Iterator[Entry]:
    """All base paths of one host, the longest first."""
    bases = {item.base_path for item in placed}
    for item in placed:
        requests = rest_requests(api, item.places)
        yield from _operations(requests)
        yield from definition_entry(api, item)
        if any(item.base_path.startswith(f"{other}/") for other in bases):
            yield _nothing_else_below(item)


def _operations(requests: Sequence[RestRequests]) -> Iterator[Entry]:
    disguises = Disguises()
    for item in requests:
        if not is_one_path(item.target):
            for route in disguises.routes(item):
                yield _disguise(item, route)
        disguises.add(item)
        yield _entry(item)


def _entry(item: RestRequests) -> Entry:
    of_routes = item.of_routes
    pattern: str = of_routes.match["safe_regex"]["regex"]
    template = item.place.base_path + item.target
    return Entry(
        item.place.host,
        f"{item.verb} {item.target}",
        PathMatch(template, pattern, _exact(template, exact=item.exact)),
        item.methods,
        item.place,
        of_routes.rewrite,
    )


def _exact(template: str, *, exact: bool) -> tuple[str, ...]:
    """The paths of a template without parameters: one trailing slash is tolerated."""
    if not is_one_path(template):
        return ()
    path = literal(template)
    if exact or path == "/":
        return (path,)
    bare = path.rstrip("/")
    return (bare, f"{bare}/")


def _disguise(wider: RestRequests, route: dict[str, Any]) -> Entry:
    """404 for paths that a backend may take for an operation with stricter security."""
    pattern = route["match"]["safe_regex"]["regex"]
    template = wider.place.base_path + wider.target
    path = PathMatch(template, pattern)
    answer = {"statusCode": 404}
    host = wider.place.host
    return Entry(host, f"disguised {pattern}", path, wider.methods, answer=answer)


def _nothing_else_below(item: PlacedOperations) -> Entry:
    """404 for other paths: they must not match a wildcard of the shorter base path."""
    path = PathMatch(f"{item.base_path}/*", match_pattern(item.base_path, "/*"))
    return Entry(
        item.host, f"nothing else {item.base_path}", path, answer={"statusCode": 404}
    )


def definition_entry(api: Api, item: PlacedOperations) -> Iterator[Entry]:
    """The definition, unless the conf has an operation of its own there."""
    definition = api.definition
    if definition is None or not definition.text:
        return
    if len(definition.text.encode()) > LARGEST_DEFINITION or _has_own(
        item, definition.path
    ):
        return
    template = item.base_path + definition.path
    path = PathMatch(template, re.escape(template), _exact(template, exact=False))
    answer = {"statusCode": 200, "contentType": definition.media_type}
    yield Entry(
        item.host, "definition", path, _READ, answer=answer, body=definition.text
    )


def _has_own(item: PlacedOperations, path: str) -> bool:
    return any(path == place.operation.path for place in _gets(item))


def _gets(item: PlacedOperations) -> Iterable[Any]:
    return (place for place in item.places if "GET" in place.operation.methods)
