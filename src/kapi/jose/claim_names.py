"""Where a claim may be, by the name it is given in settings: the same for every verifier. Pure.

A name may contain dots (`tenant.id`), or be a path into objects (`realm_access.roles`). The name
alone does not tell which, so the claim of that name is looked up first, then the path. The dots of
a URI, such as Auth0's namespaced `https://acme.example/roles`, are not a path (RFC 7519 §4.2).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from kapi.typed import at, text

CLIENT_CLAIMS = ("clientId", "client_id", "azp", "cid", "appid")
"""Claims that may name the client of a token whose issuer declares none: the first that it has.

The gateway's scripts and its admission filter get the same list, from `client_claims`.
"""
_PATH = re.compile(r"[^.:/]+(\.[^.:/]+)+")


def paths(name: str) -> tuple[tuple[str, ...], ...]:
    """One or two paths, the first of which wins."""
    if _PATH.fullmatch(name):
        return ((name,), tuple(name.split(".")))
    return ((name,),)


def find(claims: Mapping[str, Any], name: str) -> Any:
    """A claim by its name, which may contain dots, or its path (`realm_access.roles`); or None."""
    for path in paths(name):
        value = at(claims, path)
        if value is not None:
            return value
    return None


def client_claims(declared: str) -> tuple[str, ...]:
    """Claims that may name the client, in order; `declared` is the issuer's own, or empty."""
    if declared:
        return (declared,)
    return CLIENT_CLAIMS


def client_of(claims: Mapping[str, Any], names: Sequence[str] = CLIENT_CLAIMS) -> str:
    """The client that a token was issued to, or empty. `names` are those of `client_claims`."""
    for name in names:
        client = text(find(claims, name))
        if client:
            return client
    return ""
