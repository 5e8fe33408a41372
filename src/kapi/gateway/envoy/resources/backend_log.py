"""The log of https backends whose certificate Envoy does not accept: always on. Pure.

`kapi doctor` reads it. A call to such a backend is answered with 503, and that answer must not say
why. The line contains the backend, its address and Envoy's reason, and nothing of the request.
"""

from __future__ import annotations

import re
from typing import Any

from kapi.gateway.envoy.resources.names import typed

_TLS = "TLS_error"
_TRY = "See what it says: openssl s_client -connect HOST:PORT -servername HOST"
_LINE = {
    "time": "%START_TIME%",
    "backend": "%REQ(:AUTHORITY)%",
    "address": "%UPSTREAM_HOST%",
    "reason": "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
    "request_id": "%RESP(X-REQUEST-ID)%",
}
_NAMES = re.compile(r"certificate SANs are \[([^\]]*)\]")
_REASONS = (
    (
        ("unable to get local issuer", "self signed", "self-signed"),
        "its certificate is not signed by an authority that is trusted here",
    ),
    (("certificate has expired",), "its certificate has expired"),
    (("not yet valid",), "its certificate is not valid yet"),
    (("unsuitable certificate purpose",), "its certificate is not for servers"),
    (("WRONG VERSION NUMBER",), "it does not speak TLS"),
    (
        ("CERTIFICATE REQUIRED", "HANDSHAKE FAILURE", "BAD CERTIFICATE"),
        "it refuses the handshake; it may ask for a certificate",
    ),
    (
        ("PROTOCOL VERSION", "UNSUPPORTED PROTOCOL"),
        "it speaks no version of TLS from 1.2 on",
    ),
)
_REPAIRS = {
    "its certificate is not signed": (
        "Name the authority in the conf, as `certificate` of the endpoint, and set it:"
        " kapi secret set."
    ),
    "its certificate": "Give the backend a certificate that holds for its host now.",
    "it does not speak TLS": "Write http:// in the conf, or another port.",
}


def backend_log(path: str) -> dict[str, Any]:
    """The access log: one line for each call that ended because the backend's TLS failed."""
    expression = f"upstream.transport_failure_reason.startsWith('{_TLS}')"
    cel = typed(
        "envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter",
        expression=expression,
    )
    # The flag first: it costs nothing, and this runs for every request.
    filters = [
        {"response_flag_filter": {"flags": ["UF"]}},
        {"extension_filter": {"name": "cel", "typed_config": cel}},
    ]
    config = typed(
        "envoy.extensions.access_loggers.file.v3.FileAccessLog",
        path=path,
        log_format={"json_format": _LINE},
    )
    return {
        "name": "backends",
        "filter": {"and_filter": {"filters": filters}},
        "typed_config": config,
    }


def explained(reason: str) -> tuple[str, str]:
    """What Envoy's reason means, and what to do about it."""
    text = reason.replace("_", " ")  # as Envoy writes blanks
    names = _NAMES.search(text)
    if names:
        has = "it has no subject alternative name at all"
        if names[1]:
            has = f"it is for {names[1]}"
        return (
            f"its certificate is not for this host (RFC 9525 §6.3): {has}",
            "Write a host that its certificate names, or change the latter.",
        )
    for parts, meaning in _REASONS:
        if any(part in text for part in parts):
            return meaning, next(
                (
                    repair
                    for start, repair in _REPAIRS.items()
                    if meaning.startswith(start)
                ),
                _TRY,
            )
    return text, _TRY
