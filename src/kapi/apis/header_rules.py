"""Which headers a conf may name, and with which values.

Pure functions of one text each; called by the readers and by policies. Names are tokens (RFC 9110
§5.1). Refused are those that belong to the connection (RFC 9110 §7.6.1), to the message's length
and routing, and to the gateway itself: changing one would break the request or let a conf speak in
the gateway's name.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import chain, product
from typing import Final

from kapi.apis.model.rules import Fault
from kapi.apis.reserved_headers import belongs_to_gateway, belongs_to_message, usual

_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_NOT_IN_VALUE: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_PROTECTED: Final = frozenset(
    {"proxy-authenticate", "proxy-authorization", "x-forwarded-client-cert"}
)
_MOST_JOINTS: Final = 6


def header_fault(name: str) -> Fault | None:
    """Why a header of this name may not be set or removed, if it may not."""
    if belongs_to_message(name) or usual(name) in _PROTECTED:
        return Fault(
            f"header [{name[:60]}] may not be changed",
            "It belongs to the connection or the routing; leave it to the gateway.",
        )
    if not _TOKEN.fullmatch(name):
        return Fault(
            f"[{name[:60]}] is not a header name",
            "Use letters, digits, `-` and `_` (RFC 9110 §5.1).",
        )
    if belongs_to_gateway(name):
        return Fault(
            f"header [{name[:60]}] belongs to the gateway",
            "Choose a name that does not begin with x-envoy- or x-kapi-.",
        )
    return None


@lru_cache(maxsize=256)
def other_spellings(name: str) -> tuple[str, ...]:
    """The names that a CGI-like backend reads as this one (RFC 3875 §4.1.18): `-` or `_`.

    `name` is in small letters. Of a name with more than six of these characters only the two
    usual spellings are named.
    """
    parts = re.split("[-_]", name)
    joints = len(parts) - 1
    mixtures = (
        product("-_", repeat=joints)
        if joints <= _MOST_JOINTS
        else (("-",) * joints, ("_",) * joints)
    )
    spellings = (
        "".join(chain(*zip(parts, (*mixture, ""), strict=True))) for mixture in mixtures
    )
    found = []
    for spelling in spellings:
        if spelling != name:
            found.append(spelling)
    return tuple(found)


def header_value_fault(value: str) -> Fault | None:
    """Why a text may not be the value of a header, if it may not."""
    if _NOT_IN_VALUE.search(value):
        return Fault(
            "the header value has a line break or another control character",
            "Write the value on one line.",
        )
    if value != value.strip(" \t"):
        return Fault(
            "the header value begins or ends with white space",
            "HTTP drops it (RFC 9110 §5.5); remove it here.",
        )
    return None
