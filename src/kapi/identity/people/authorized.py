"""The authorization that a person gives a client, as one value.

It is made at the authorization endpoint and stored with the code and the family. Grants that act
for a person (code, refresh, device, CIBA) issue tokens from it: `person_tokens.py`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import field
from typing import Any

from kapi.dataclass import dataclass
from kapi.settings.values import built


@dataclass(frozen=True, slots=True)
class Authorization:
    """One authorization. `auth_time` is in seconds since the epoch."""

    user: str
    """The subject of the person's account; `sub` of tokens differs for pairwise clients."""
    client_id: str
    scope: str
    auth_time: int
    amr: tuple[str, ...] = ()
    acr: str = ""
    organization: str = ""
    sid: str = ""
    """The session at the provider (OIDC Front-Channel Logout §3); empty without a browser."""
    nonce: str = ""
    claims: dict[str, Any] = field(default_factory=dict)
    """The `claims` parameter (OpenID Connect Core §5.5)."""
    max_age_asked: bool = False
    confirmation: dict[str, str] = field(default_factory=dict)
    """The members of `cnf` of its tokens (RFC 7800): the key that they are bound to."""
    resources: tuple[str, ...] = ()
    """Resource indicators that were authorized (RFC 8707)."""
    details: tuple[Any, ...] = ()
    """Authorization details that were granted (RFC 9396)."""
    grant: str = ""
    """The grant of its first tokens; empty before."""
    redirect_uri: str = ""
    """The redirect URI of its code; empty without a code."""

    def payload(self) -> dict[str, Any]:
        """As JSON-ready values, without empty ones."""
        # Not `asdict`: the values are stored at once and need no copies.
        values = {
            field.name: getattr(self, field.name) for field in dataclasses.fields(self)
        }
        found = {}
        for name, value in values.items():
            if value not in ("", (), {}, False):
                found[name] = value
        return found


def authorization_of(payload: Mapping[str, Any]) -> Authorization:
    """The inverse of `payload`."""
    made: Authorization = built(Authorization, {"auth_time": 0, "scope": "", **payload})
    return made
