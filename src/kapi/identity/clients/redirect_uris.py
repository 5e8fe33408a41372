"""Redirect URIs: equal to a registered one to the letter, but for the port of a loopback address (RFC 9700 §4.1.3, RFC 8252 §7.3)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from kapi.addresses import LOOPBACK_LITERALS

_HOSTS = "|".join(re.escape(f"[{host}]" if ":" in host else host) for host in LOOPBACK_LITERALS)
_LOOPBACK = re.compile(rf"(http://(?:{_HOSTS}))(?::(\d{{1,5}}))?((?:/[^#]*)?)")


def allowed(uri: str, registered: Iterable[str]) -> bool:
    """Whether a client that registered these may be answered at `uri`."""
    registered = tuple(registered)
    if uri in registered:
        return True
    asked = _LOOPBACK.fullmatch(uri)
    if asked is None or (asked[2] is not None and not 0 < int(asked[2]) < 65536):
        return False
    return any(
        (found := _LOOPBACK.fullmatch(known)) and (found[1], found[3]) == (asked[1], asked[3])
        for known in registered
    )
