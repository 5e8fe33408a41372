"""Credentials in `Sec-WebSocket-Protocol` (RFC 6455 §11.3.4), from browsers. Pure.

A WebSocket of a browser can send no other header.

The list of protocols contains a marker, and the credential after it. The script before the token
filter takes both out. Used by `authentication/__init__.py`, on operations that are WebSockets.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from kapi.policies.authentication.trust import MOVED_JWT_HEADER, MOVED_QUERY_HEADER
from kapi.policies.rbac import FACTS

TOKEN_MARKER = "kapi.token"  # noqa: S105 - a name
KEY_MARKER = "kapi.apikey"


def markers(kinds: Collection[str], *, is_read: bool) -> dict[str, str]:
    """Marker → the header to which the script moves the credential, or nothing.

    `kinds` are those that may come in the list. An API key stays with the script, which checks it.
    """
    made: dict[str, str] = {}
    if "OAuth2" in kinds:
        made[TOKEN_MARKER] = MOVED_QUERY_HEADER
    elif "JWT" in kinds:
        made[TOKEN_MARKER] = MOVED_JWT_HEADER
    if "APIKey" in kinds:
        made[KEY_MARKER] = ""
    if is_read:
        return made
    return dict.fromkeys(made, "")


def answer() -> list[dict[str, Any]]:
    """Select the marker if the backend selects no protocol.

    A browser closes a WebSocket whose handshake selects none of its protocols.
    """
    value = f"%DYNAMIC_METADATA({FACTS}:protocol)%"
    header = {"key": "sec-websocket-protocol", "value": value}
    return [{"header": header, "append_action": "ADD_IF_ABSENT"}]
