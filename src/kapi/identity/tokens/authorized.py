"""What a person allowed a client, as one value: made at the authorization endpoint, kept with the code and with the family.

Grants that act for a person (code, refresh, device, CIBA) issue tokens from it: `person_tokens.py`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kapi.settings.values import built


@dataclass(frozen=True, slots=True)
class Authorization:
    """Who allowed whom what. `auth_time` in seconds since the epoch."""

    user: str
    """Key of the person in Users; `sub` of tokens may differ for pairwise clients."""
    client_id: str
    scope: str
    auth_time: int
    amr: tuple[str, ...] = ()
    acr: str = ""
    organization: str = ""
    sid: str = ""
    """The session at the provider (OpenID Connect Front-Channel Logout §3); empty when there was no browser."""
    nonce: str = ""
    claims: dict[str, Any] = field(default_factory=dict)
    """The `claims` parameter (OpenID Connect Core §5.5)."""
    max_age_asked: bool = False
    confirmation: dict[str, str] = field(default_factory=dict)
    """`cnf` members that its tokens must keep (RFC 7800): what they are bound to."""
    resources: tuple[str, ...] = ()
    """Resource indicators that were authorized (RFC 8707)."""
    details: tuple[Any, ...] = ()
    """Authorization details that were granted (RFC 9396)."""
    grant: str = ""
    """The grant that its tokens were first issued by; empty until then."""
    redirect_uri: str = ""
    """Where its code was sent; empty when there was none."""

    def payload(self) -> dict[str, Any]:
        """As JSON-ready values, without what is empty."""
        # No copies of what is in it: it is written down right away.
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {name: value for name, value in values.items() if value not in ("", (), {}, False)}


def authorization_of(payload: Mapping[str, Any]) -> Authorization:
    """The inverse of `payload`."""
    made: Authorization = built(Authorization, {"auth_time": 0, "scope": "", **payload})
    return made
