"""Redirect URIs: equal to a registered one to the letter, but for the port of a loopback address (RFC 9700 §4.1.3, RFC 8252 §7.3)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

_LOOPBACK = re.compile(r"(http://(?:127\.0\.0\.1|\[::1\]))(?::(\d{1,5}))?((?:/[^#]*)?)")
_NEVER = frozenset({"javascript", "data", "vbscript", "file", "blob", "about", "filesystem", "ws", "wss", "ftp"})
LONGEST = 2048


def allowed(uri: str, registered: Iterable[str]) -> bool:
    """Whether a client that registered these may be answered at `uri`."""
    registered = tuple(registered)
    if uri in registered:
        return True
    asked = _LOOPBACK.fullmatch(uri)
    if asked is None or (asked[2] is not None and not 0 < int(asked[2]) < 65536):
        return False
    return any((found := _LOOPBACK.fullmatch(known)) and (found[1], found[3]) == (asked[1], asked[3]) for known in registered)


def mistake(uri: str) -> str:
    """What is wrong with a redirect URI that somebody wants to register; empty when nothing is."""
    try:
        parts = urlsplit(uri)
        _ = parts.port
    except ValueError:
        return "it is malformed"
    if not uri.isascii() or not uri.isprintable() or {" ", '"', "<", ">", "\\", "^", "`", "{", "|", "}"} & set(uri) or len(uri) > LONGEST:
        return f"it must be a URI of at most {LONGEST} printable ASCII characters"
    if "#" in uri:
        return "it must have no fragment (RFC 6749 3.1.2)"
    if not parts.scheme or parts.scheme in _NEVER or (parts.scheme in {"http", "https"} and not parts.hostname):
        return "it must be absolute, with a scheme that leads to the client"
    if parts.username is not None:
        return "it must have no user name"
    return ""
