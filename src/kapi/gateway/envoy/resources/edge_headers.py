"""Request headers about the caller and the public address. Pure.

Those of callers are removed as a request comes in, before anything reads them; the gateway adds its
own. Many servers read `_` in a name as `-` (RFC 3875 §4.1.18), so both spellings are removed. One
expression is matched with each header: Envoy does that before it looks for a route.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from kapi.apis.reserved_headers import CALLER, CALLER_PREFIXES, GATEWAY_PREFIXES
from kapi.gateway.envoy.resources.names import URL_HEADER, typed
from kapi.settings import GatewaySettings

_FORWARDED: Final = "x-forwarded-.*"
_FORWARDED_BUT_FOR: Final = "x-forwarded-(?:[^f].*|f[^o].*|fo[^r].*|for.+)"
_OTHER_SPELLINGS: Final = (
    "x_forwarded[-_]for|x-forwarded_for|x_request[-_]id|x-request_id"
)
"""Of headers that Envoy sets by itself, in place of what a caller sends in the usual spelling."""
_NAMES: Final = (
    *(f"{prefix}.*" for prefix in (*GATEWAY_PREFIXES, *CALLER_PREFIXES)),
    *CALLER,
    "proxy-authorization",
)
"""Besides those that begin with `X-Forwarded-`. Each is described in docs/backend-headers.md."""


def _either_spelling(names: Iterable[str]) -> str:
    """One expression for all names, in which each `-` also matches `_`."""
    return "|".join(re.sub(r"\\?-", "[-_]", name) for name in names if name)


_REMOVED: Final = re.compile(_either_spelling((*_NAMES, _FORWARDED_BUT_FOR)))


def early_mutation(gateway: GatewaySettings, *, trusted: bool) -> dict[str, Any]:
    """The extension that removes them, and adds the URL without the query.

    `trusted` is for connections from `gateway.trusted_fronts`: these may send X-Forwarded-For and
    the certificate header.

    The scope key cannot be taken from `:path`, which includes the query: `/health?x=1` would have
    the key `health?x=1`.
    """
    certificate = re.escape(gateway.client_certificate_header.lower())
    names = (
        (*_NAMES, _FORWARDED_BUT_FOR) if trusted else (*_NAMES, _FORWARDED, certificate)
    )
    pattern = f"{_either_spelling(names)}|{_OTHER_SPELLINGS}"
    removed = {"remove_on_match": {"key_matcher": {"safe_regex": {"regex": pattern}}}}
    header = {"key": URL_HEADER, "value": "%REQ(:AUTHORITY)%%PATH(NQ:PATH)%"}
    url = {"append": {"header": header, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}}
    config = typed(
        "envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation",
        mutations=[removed, url],
    )
    return {"name": "own_headers", "typed_config": config}


def removed_at_edge(name: str) -> bool:
    """Whether headers of this name, in any spelling, are removed before the route.

    `name` is in lower case.
    """
    return _REMOVED.fullmatch(name) is not None


def public_address(
    names: Sequence[str], gateway: GatewaySettings
) -> list[dict[str, Any]]:
    """Headers with the public address of a virtual host (RFC 7239 §5), for its backends.

    Of several `names`, it is the one that the caller used; the virtual host has no others.

    Envoy adds X-Forwarded-Proto.

    A header of the conf wins, so these are added only where there is none.
    """
    port = gateway.public_port or gateway.port
    authority = urlsplit(gateway.origin(names[0])).netloc
    if len(names) > 1:
        # Without the port: `strip_any_host_port`.
        authority = f"%REQ(:AUTHORITY)%{authority.removeprefix(names[0])}"
    values = {
        "x-forwarded-host": authority,
        "x-forwarded-port": str(port),
        "forwarded": f'host="{authority}";proto=https',
    }
    return [
        {"header": {"key": name, "value": value}, "append_action": "ADD_IF_ABSENT"}
        for name, value in values.items()
    ]


def front_ranges(gateway: GatewaySettings) -> list[dict[str, Any]]:
    """The networks of trusted fronts, for the match of a filter chain."""
    networks = (
        ipaddress.ip_network(text, strict=False) for text in gateway.trusted_fronts
    )
    return [
        {"address_prefix": str(item.network_address), "prefix_len": item.prefixlen}
        for item in networks
    ]
