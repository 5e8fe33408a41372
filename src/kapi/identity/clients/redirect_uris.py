"""Redirect URIs: exact matches, except for the port of a loopback address.

RFC 9700 §4.1.3, RFC 8252 §7.3.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from kapi.addresses import LOOPBACK_LITERALS

_HOSTS = "|".join(
    re.escape(f"[{host}]" if ":" in host else host) for host in LOOPBACK_LITERALS
)
_LOOPBACK = re.compile(rf"(http://(?:{_HOSTS}))(?::(\d{{1,5}}))?((?:/[^#]*)?)")


def allowed(uri: str, registered: Iterable[str]) -> bool:
    """Whether `uri` may be the redirect URI of a client that registered these."""
    registered = tuple(registered)
    if uri in registered:
        return True
    wanted = _without_port(uri)
    return wanted is not None and wanted in map(_without_port, registered)


def _without_port(uri: str) -> tuple[str, str] | None:
    """Origin and path of a loopback address; None for any other, or for a port out of range."""
    found = _LOOPBACK.fullmatch(uri)
    if found is None or not 0 < int(found[2] or 80) < 65536:
        return None
    return found[1], found[3]
