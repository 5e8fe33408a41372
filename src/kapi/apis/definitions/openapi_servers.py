"""Servers of OpenAPI (3.1 §4.8.5) and of Swagger 2.0 (`schemes`, `host`, `basePath`) as URLs. Pure.

Called by `openapi_document.py`.
"""

from __future__ import annotations

import re
from typing import Any, Final

from kapi.apis.definitions.model import Server
from kapi.apis.report import below
from kapi.typed import items, mapping

_VARIABLE: Final = re.compile(r"\{([^{}]*)\}")
_SCHEMES: Final = (
    ("https", "https"),
    ("wss", "https"),
    ("http", "http"),
    ("ws", "http"),
)
"""Schemes of Swagger, the safest first, with the scheme that the gateway uses.

A WebSocket starts as an HTTP request (RFC 6455 §4.1).
"""


def server(described: dict[str, Any], url: str, pointer: str) -> Server:
    """A server object's URL with the defaults of its variables."""
    variables = mapping(described.get("variables"))
    for name in dict.fromkeys(_VARIABLE.findall(url)):
        default = mapping(variables.get(name)).get("default")
        if not isinstance(default, str):
            return Server(pointer, url, f"variable {{{name[:60]}}} has no default")
        url = url.replace(f"{{{name}}}", default)
    for own, other in (("wss://", "https://"), ("ws://", "http://")):
        if url.lower().startswith(own):
            url = other + url[len(own) :]
    return Server(pointer, url)


def swagger_server(host: str, base_path: str, schemes: list[Any]) -> Server:
    """The one server of a Swagger document; relative without a host."""
    path = base_path.rstrip("/")
    if not host:
        pointer = "#"
        if base_path:
            pointer = "#/basePath"
        return Server(pointer, path or "/")
    return Server("#/host", f"{_safest(schemes)}://{host}{path}")


def _safest(schemes: list[Any]) -> str:
    for name, used in _SCHEMES:
        if name in schemes:
            return used
    return "http"


def servers_of(owner: dict[str, Any], pointer: str) -> list[tuple[str, dict[str, Any]]]:
    """Pointer and object of each server that is one."""
    here = below(pointer, "servers")
    listed = enumerate(items(owner.get("servers")))
    found = []
    for index, item in listed:
        if isinstance(item, dict):
            found.append((below(here, index), item))
    return found
