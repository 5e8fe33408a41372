"""Envoy's composite filter: a route names the filters that run in its place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

_EXTENSIONS: Final = "type.googleapis.com/envoy.extensions."
_COMPOSITE: Final = f"{_EXTENSIONS}filters.http.composite.v3."
BY_ROUTE: Final[dict[str, Any]] = {
    "@type": f"{_EXTENSIONS}common.matching.v3.ExtensionWithMatcher",
    "extension_config": {
        "name": "composite",
        "typed_config": {"@type": f"{_COMPOSITE}Composite"},
    },
    "xds_matcher": {},
}
"""The filter of the listener, which does nothing by itself."""


def on_route(name: str, filters: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Its configuration on a route that runs these filters, one at least; `name` is for Envoy."""
    action = {"name": name, "typed_config": execution(filters)}
    return {
        "@type": f"{_EXTENSIONS}common.matching.v3.ExtensionWithMatcherPerRoute",
        "xds_matcher": {"on_no_match": {"action": action}},
    }


def execution(filters: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The action of a matcher that runs these filters."""
    action: dict[str, Any] = {"@type": f"{_COMPOSITE}ExecuteFilterAction"}
    if len(filters) == 1:
        action["typed_config"] = filters[0]
    else:
        action["filter_chain"] = {"typed_config": list(filters)}
    return action
