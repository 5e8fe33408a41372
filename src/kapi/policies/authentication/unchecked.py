"""Routes without a token: the filters that check one are off. Pure.

Each would look at every call and find nothing: an RBAC filter with rules costs a call 5 to 9 % of
what the plain proxy needs, without any rule that matches.
"""

from __future__ import annotations

from typing import Any, Final

from kapi.policies.rbac import JWT_FILTER

CLAIMS_FILTER = "kapi.filters.http.claims"
TOKEN_FILTER = "kapi.filters.http.token"  # noqa: S105 - a filter's name
REVOKED_FILTER = "kapi.filters.http.revoked"
_OFF: Final = {
    "@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig",
    "disabled": True,
}
_FILTERS: Final = (JWT_FILTER, CLAIMS_FILTER, TOKEN_FILTER, REVOKED_FILTER)
"""They read nothing but the claims of a verified token."""


def no_token() -> dict[str, dict[str, Any]]:
    """Per-route configurations by filter name."""
    return {name: dict(_OFF) for name in _FILTERS}


def answered_here() -> dict[str, dict[str, Any]]:
    """The same for a route whose requests do not go to a backend.

    Such a call may cost more, and the configurations of four filters take 3 kB of Envoy's memory.
    The others do nothing without a verified token.
    """
    return {JWT_FILTER: dict(_OFF)}
