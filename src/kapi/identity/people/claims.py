"""Claims about a person (OpenID Connect Core §5), by scopes and by the `claims` parameter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kapi.identity.accounts.users import User
from kapi.identity.people.authorized import Authorization

SCOPE_CLAIMS: Mapping[str, tuple[str, ...]] = {
    "profile": (
        "name",
        "family_name",
        "given_name",
        "middle_name",
        "nickname",
        "preferred_username",
        "profile",
        "picture",
        "website",
        "gender",
        "birthdate",
        "zoneinfo",
        "locale",
        "updated_at",
    ),
    "email": ("email", "email_verified"),
    "address": ("address",),
    "phone": ("phone_number", "phone_number_verified"),
    "groups": ("groups",),
}
"""Standard scopes (§5.4), and groups."""
SCOPES = ("openid", *SCOPE_CLAIMS, "offline_access")
RESERVED = frozenset({
    "iss", "sub", "aud", "exp", "nbf", "iat", "jti", "nonce", "auth_time", "acr", "amr", "azp",
    "at_hash", "c_hash", "s_hash", "sid", "events", "cnf", "act", "may_act", "scope", "scp",
    "client_id", "clientId", "cid", "appid", "token_use", "token_type", "typ",
})  # fmt: skip
"""Claims of the protocol: a claim about a person must not have such a name."""


def claims_about(
    user: User, authorization: Authorization, place: str, *, scopes: bool = False
) -> dict[str, Any]:
    """Claims for `place`, `userinfo` or `id_token`: those requested by name (§5.5) or scope (§5.4).

    The claims of the scopes are for UserInfo, and with `scopes` for an ID token.
    """
    known = {
        "preferred_username": user.username,
        "organization": authorization.organization,
        "groups": list(user.groups),
        **user.claims,
    }
    names: list[str] = []
    if place == "userinfo" or scopes:
        for scope in authorization.scope.split(" "):
            names += SCOPE_CLAIMS.get(scope, ())
    requested = authorization.claims.get(place)
    if isinstance(requested, dict):
        names += [
            name
            for name, demand in requested.items()
            if _acceptable(known.get(name), demand)
        ]
    made: dict[str, Any] = {}
    for name in (*names, "organization"):
        if name not in RESERVED and known.get(name) not in (None, "", []):
            made[name] = known[name]
    return made


def _acceptable(value: Any, demand: Any) -> bool:
    """Whether the value is one of those that the client accepts (§5.5.1)."""
    if not isinstance(demand, dict):
        return True
    if "value" in demand:
        return bool(value == demand["value"])
    return not isinstance(demand.get("values"), list) or value in demand["values"]
