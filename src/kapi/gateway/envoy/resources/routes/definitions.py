"""The route of an API's definition (apk-conf `definitionPath`): GET and HEAD, no token. Pure.

Envoy itself answers with a small one. A large one, of which Envoy would hold a copy for each base
path and host, comes from the control process (`front/web/system/definitions.py`). For the kinds of
API.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import quote

from kapi.apis.ir import Api, ApiDefinition
from kapi.gateway.envoy.resources.names import CONTROL
from kapi.gateway.envoy.resources.routes.paths import match_pattern
from kapi.policies.authentication.unchecked import answered_here
from kapi.policies.contract import literal_header

LARGEST_IN_ENVOY: Final = 8 * 1024
"""Bytes."""
PATH: Final = "/definitions"
"""Where the control process answers, by the id of the API; no host of ours leads there."""


def definition_routes(api: Api, base_path: str) -> Iterator[dict[str, Any]]:
    """The route, unless the conf has an operation of its own there."""
    if api.definition is not None:
        yield _route(api, api.definition, base_path)


def _is_small(text: str) -> bool:
    # A text has at most as many characters as bytes. Encoding a large one takes long.
    at_most = LARGEST_IN_ENVOY
    return 0 < len(text) <= at_most and len(text.encode()) <= at_most


def _route(api: Api, definition: ApiDefinition, base_path: str) -> dict[str, Any]:
    route: dict[str, Any] = {
        "name": f"{api.id}:definition",
        "match": {
            "safe_regex": {"regex": match_pattern(base_path, definition.path)},
            "headers": [
                {
                    "name": ":method",
                    "string_match": {"safe_regex": {"regex": "GET|HEAD"}},
                }
            ],
        },
        "typed_per_filter_config": answered_here(),
    }
    if _is_small(definition.text):
        route["direct_response"] = {
            "status": 200,
            "body": {"inline_string": definition.text},
        }
        route["response_headers_to_add"] = [
            literal_header("content-type", definition.media_type)
        ]
        return route
    rewrite = {
        "pattern": {"regex": "^.*$"},
        "substitution": f"{PATH}/{quote(api.id, safe='')}",
    }
    # The control process must not receive the credentials of callers.
    route["request_headers_to_remove"] = ["authorization", "cookie"]
    route["route"] = {
        "cluster": CONTROL,
        "host_rewrite_literal": "localhost",
        "regex_rewrite": rewrite,
        "timeout": "10s",
    }
    return route
