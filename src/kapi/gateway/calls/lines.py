"""Reads a line of the access log. Pure; the one place that knows how empty fields are written.

Also what a line tells of a refusal, for all that count these.

Lines of calls that passed have `null` or `-` in them, since it costs Envoy less than to leave a
field out (`gateway/envoy/resources/logs/access_log.py`).
"""

from __future__ import annotations

from typing import Any, Final

import orjson

Call = dict[str, Any]
_EMPTY: Final = (None, "-", "")
_ALLOWED: Final = "allowed"


def read_line(line: bytes) -> Call:
    """The fields that have a value. Raises ValueError if it is not a line of the log."""
    value = orjson.loads(line)
    if not isinstance(value, dict):
        raise ValueError("not an object")  # noqa: TRY004 - a mistake in the text, not in the code
    call = {}
    for name, content in value.items():
        if content not in _EMPTY:
            call[name] = content
    return call


def why_refused(call: Call) -> str:
    """Why the gateway did not let a call pass; empty if it did."""
    if call.get("decision", _ALLOWED) == _ALLOWED:
        return ""
    return str(call.get("reason") or call.get("code") or "refused")
