"""The gateway's own error responses to gRPC calls: status and message in trailers. Pure.

Envoy answers a call (content type `application/grpc…`) with a status by itself, from the HTTP
status (gRPC, "HTTP to gRPC Status Code Mapping"). That table is for answers of servers that are not
gRPC servers: 429 is UNAVAILABLE there, and an expired deadline of the gateway UNKNOWN. For
`replies.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

STATUS_OF: Final[Mapping[int, int]] = {
    400: 13,
    401: 16,
    403: 7,
    404: 12,
    405: 12,
    408: 4,
    413: 8,
    426: 13,
    429: 8,
    431: 8,
    500: 13,
    501: 12,
    502: 14,
    503: 14,
    504: 4,
}
"""From HTTP to gRPC: 4 DEADLINE_EXCEEDED, 7 PERMISSION_DENIED, 8 RESOURCE_EXHAUSTED,
12 UNIMPLEMENTED, 13 INTERNAL, 14 UNAVAILABLE, 16 UNAUTHENTICATED."""

_IS_GRPC: Final = {
    "header_filter": {
        "header": {
            "name": "content-type",
            "string_match": {"prefix": "application/grpc"},
        }
    }
}

_NOT_TRANSCODED: Final = {
    "header_filter": {
        "header": {
            "name": "x-envoy-original-method",
            "present_match": True,
            "invert_match": True,
        }
    }
}
"""The transcoder adds the header. Its callers speak HTTP."""


def grpc_mapper(
    when: dict[str, Any], status: int = 0, text: str = "", challenge: str = ""
) -> dict[str, Any]:
    """A mapper for gRPC calls with this condition. Without a status, Envoy's own stays.

    `text` is the message, in Envoy's format; empty for what the filter said.
    """
    filters = [_IS_GRPC, _NOT_TRANSCODED, when]
    mapper: dict[str, Any] = {"filter": {"and_filter": {"filters": filters}}}
    headers = []
    if status:
        headers.append(overwriting("grpc-status", str(STATUS_OF[status])))
    if challenge:
        headers.append(overwriting("www-authenticate", challenge))
    if headers:
        mapper["headers_to_add"] = headers
    if text:
        mapper["body_format_override"] = {"text_format_source": {"inline_string": text}}
    return mapper


def overwriting(name: str, value: str) -> dict[str, Any]:
    """A header in place of any of that name; the value is in Envoy's format."""
    return {
        "header": {"key": name, "value": value},
        "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
    }
