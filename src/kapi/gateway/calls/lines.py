"""Reads a line of the access log. Pure; the one place that knows how it is written.

Also what a line tells of a refusal, for all that count these.

Lines have `null` or `-` in them where there is no value, since it costs Envoy less than
to leave a field out, and one field with the API, its version, organization and operation
(`gateway/envoy/resources/logs`). Lines of older versions of kapi have these as fields.
"""

from __future__ import annotations

from typing import Any, Final

import orjson

from kapi.gateway.envoy.resources.logs.labels import fields_of

Call = dict[str, Any]
ROUTE: Final = "route"
_EMPTY: Final = (None, "-", "")
ALLOWED: Final = "allowed"


def read_line(line: bytes) -> Call:
    """The fields that have a value. Raises ValueError if it is not a line of the log."""
    value = orjson.loads(line)
    if not isinstance(value, dict):
        raise ValueError("not an object")  # noqa: TRY004 - a mistake in the text, not in the code
    return with_values(value)


def with_values(fields: dict[str, Any]) -> Call:
    """The fields of a line that have a value, each under its own name."""
    call = {}
    for name, content in fields.items():
        if content not in _EMPTY:
            call[name] = content
    route = call.pop(ROUTE, None)
    if route is not None:
        call |= fields_of(route)
    return call


def why_refused(call: Call) -> str:
    """Why the gateway did not let a call pass; empty if it did."""
    if call.get("decision", ALLOWED) == ALLOWED:
        return ""
    return str(call.get("reason") or call.get("code") or "refused")
