"""Headers of the connection, the gateway or the caller's identity, and who may set them. Pure.

Read by the rules for confs and for declared issuers, by the renderers, and by the removal of what
callers send (`gateway/envoy/resources/edge_headers.py`). The tables of the Lua scripts are compared
with MESSAGE in their tests. Many servers read `_` in a name as `-` (RFC 3875 §4.1.18), so both
spellings are one name here.
"""

from __future__ import annotations

from typing import Final

MESSAGE: Final = frozenset({
    *("connection", "keep-alive", "proxy-connection", "upgrade", "http2-settings"),
    *("te", "trailer", "transfer-encoding"),
    *("content-length", "expect", "host"),
})  # fmt: skip
"""They frame or route a message (RFC 9110 §7.2, §7.6.1, §8.6, §10.1.1): set by the gateway only."""
GATEWAY_PREFIXES: Final = ("x-kapi-", "x-envoy-")
"""Words of the gateway's own filters among each other."""
CREDENTIALS: Final = frozenset(
    {"authorization", "cookie", "proxy-authenticate", "proxy-authorization"}
)
CALLER: Final = (
    *("forwarded", "x-real-ip", "x-client-ip", "x-cluster-client-ip", "true-client-ip"),
    *("x-rewrite-url", "x-jwt-assertion", "remote-user", "x-remote-user"),
)
"""They name the caller or its address to a backend; removed from requests, like CALLER_PREFIXES."""
CALLER_PREFIXES: Final = ("x-original-",)
FORWARDING_PREFIX: Final = "x-forwarded-"
"""Set by the gateway. From trusted fronts X-Forwarded-For is taken."""
_ROUTE: Final = frozenset({"forwarded", "via", "x-request-id"})


def usual(name: str) -> str:
    """A name as it is compared: in small letters, and with `-` for `_`."""
    return name.lower().replace("_", "-")


def belongs_to_message(name: str) -> bool:
    """Whether it frames or routes a message, pseudo-headers among them (RFC 9113 §8.3)."""
    return name.startswith(":") or usual(name) in MESSAGE


def belongs_to_gateway(name: str) -> bool:
    """Whether the gateway's filters use names like this one."""
    return usual(name).startswith(GATEWAY_PREFIXES)


def may_hold_claim(name: str) -> bool:
    """Whether a claim of a verified token may become this header.

    Not so if it would change the message, or what else a backend learns about the call.
    """
    own = usual(name)
    if belongs_to_message(name) or belongs_to_gateway(name):
        return False
    return own not in CREDENTIALS | _ROUTE and not own.startswith(
        (FORWARDING_PREFIX, "content-", "proxy-")
    )


def may_hold_backend_jwt(name: str) -> bool:
    """Whether a JWT of the gateway's may be in this header."""
    return not (
        belongs_to_message(name)
        or belongs_to_gateway(name)
        or usual(name) in CREDENTIALS
    )


def may_hold_credential(name: str) -> bool:
    """Whether callers may send a credential in this header: the gateway reads it first."""
    own = usual(name)
    if own == "authorization":
        return True
    return (
        may_hold_claim(name)
        and own not in CALLER
        and not own.startswith(CALLER_PREFIXES)
    )
