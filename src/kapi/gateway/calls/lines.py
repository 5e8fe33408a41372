"""Reads a line of the access log. Pure; the one place that knows how it is written.

Also what a line tells of a refusal, for all that count these.

Lines have `null` or `-` in them where there is no value, since it costs Envoy less than
to leave a field out, one field with the API, its version, organization and operation
(`gateway/envoy/resources/logs`), and one for the tokens of AI models. Lines of older
versions of kapi have all these as fields.
"""

from __future__ import annotations

from typing import Any, Final

import orjson

from kapi.gateway.envoy.resources.logs.labels import fields_of

Call = dict[str, Any]
ROUTE: Final = "route"
USAGE: Final = "usage"
_OF_USAGE: Final = (
    *("prompt_tokens", "completion_tokens", "total_tokens"),
    *("cost", "model"),
)
"""In one text, by `said` of `wasm/admission/src/filter.rs`; a model may have a `|`."""
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
    usage = call.pop(USAGE, None)
    if usage is not None:
        call |= _of_usage(usage)
    return call


def _of_usage(text: str) -> Call:
    found = {}
    for name, value in zip(
        _OF_USAGE, text.split("|", len(_OF_USAGE) - 1), strict=False
    ):
        if value:
            found[name] = value
    return found


def why_refused(call: Call) -> str:
    """Why the gateway did not let a call pass; empty if it did."""
    if call.get("decision", ALLOWED) == ALLOWED:
        return ""
    return str(call.get("reason") or call.get("code") or "refused")
