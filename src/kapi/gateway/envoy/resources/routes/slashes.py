r"""Escaped slashes in a path (`%2F`, `%5C`), by API (apk-conf `routing.escapedSlashes`). Pure.

By default a caller is redirected to the path without the escapes, so that gateway and backend read
the same segments. An API may refuse such paths, or keep them as part of a segment. Envoy has one
such setting for a whole listener, so the listener keeps them and routes decide. For `scopes.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from kapi.apis.ir import Api
from kapi.apis.kinds.rest import REST
from kapi.dataclass import dataclass
from kapi.policies.authentication.unchecked import answered_here
from kapi.settings import GatewaySettings

_ESCAPED = "%(?:2[fF]|5[cC])"
_HTTPS_PORT = 443


@dataclass(frozen=True, slots=True)
class HostSlashes:
    """The routes of a host for escaped slashes: before those of its APIs, and after them.

    With `by_api` each API has its own before its routes (`slash_routes`).
    """

    first: list[dict[str, Any]]
    last: list[dict[str, Any]]
    by_api: bool


def slashes_of_host(apis: Iterable[Api], gateway: GatewaySettings) -> HostSlashes:
    """One route comes first if all APIs of the host unescape.

    Other kinds than REST may have `/` in a parameter.
    """
    routes = [other_slashes(gateway)]
    if {(api.type, api.escaped_slashes) for api in apis} == {(REST.type, "unescape")}:
        return HostSlashes(first=routes, last=[], by_api=False)
    return HostSlashes(first=[], last=routes, by_api=True)


def slash_routes(
    api: Api, base_path: str, gateway: GatewaySettings
) -> list[dict[str, Any]]:
    """What comes before the routes of an API below one base path, with `HostSlashes.by_api`."""
    if api.type != REST.type:
        return []
    match = {
        "safe_regex": {"regex": f"{re.escape(base_path.rstrip('/'))}/.*{_ESCAPED}.*"}
    }
    if api.escaped_slashes == "keep":
        return []
    if api.escaped_slashes == "reject":
        return [_open(match, {"direct_response": {"status": 400}})]
    return [_open(match, _unescaped(gateway))]


def other_slashes(gateway: GatewaySettings) -> dict[str, Any]:
    """All other paths of a host with an escape: a redirect to the path without it."""
    return _open({"safe_regex": {"regex": f".*{_ESCAPED}.*"}}, _unescaped(gateway))


def _unescaped(gateway: GatewaySettings) -> dict[str, Any]:
    port = gateway.public_port or gateway.port
    rewrite = {"pattern": {"regex": _ESCAPED}, "substitution": "/"}
    # The listener has taken the port away from the host.
    own_port = {"port_redirect": port}
    if port == _HTTPS_PORT:
        own_port = {}
    return {
        "redirect": {
            "regex_rewrite": rewrite,
            "response_code": "TEMPORARY_REDIRECT",
            **own_port,
        }
    }


def _open(match: dict[str, Any], action: dict[str, Any]) -> dict[str, Any]:
    return {
        "match": match,
        **action,
        "typed_per_filter_config": answered_here(),
    }
