"""Where a claim may be, by the name it is given in settings: the same for every verifier. Pure.

A name may have dots in it (`tenant.id`), or lead into objects (`realm_access.roles`): the name alone does not say which, so first the
claim of that very name counts, then the path. A name that is a URI, such as Auth0's namespaced `https://acme.example/roles`, has dots
that lead nowhere (RFC 7519 §4.2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

CLIENT_CLAIMS = ("clientId", "client_id", "azp", "cid", "appid")
"""Claims that may name the client of a token whose issuer does not say which one does: the first that the token has.

The gateway's scripts and its admission filter get the same list, from `client_claims`.
"""


def paths(name: str) -> tuple[tuple[str, ...], ...]:
    """One or two paths, the first of which wins."""
    parts = tuple(name.split("."))
    if len(parts) == 1 or ":" in name or "/" in name or not all(parts):
        return ((name,),)
    return ((name,), parts)


def find(claims: Mapping[str, Any], name: str) -> Any:
    """A claim by its name, which may have dots in it, or by its path: `realm_access.roles`. None when there is none."""
    return next((value for path in paths(name) if (value := _at(claims, path)) is not None), None)


def client_claims(declared: str) -> tuple[str, ...]:
    """Claims that may name the client, in order; `declared` is the issuer's own, empty when it declares none."""
    return (declared,) if declared else CLIENT_CLAIMS


def client_of(claims: Mapping[str, Any], names: Sequence[str] = CLIENT_CLAIMS) -> str:
    """The client that a token was issued to; empty when it names none. `names` are those of `client_claims`."""
    values = (find(claims, name) for name in names)
    return next((value for value in values if isinstance(value, str) and value), "")


def _at(value: Any, path: Sequence[str]) -> Any:
    for part in path:
        value = value.get(part) if isinstance(value, Mapping) else None
    return value
