"""Access tokens of other trusted issuers that a client presents for token exchange (RFC 8693 §2.1).

The checks are those of the gateway and the system APIs: keys, algorithms, types, audiences,
required claims, revocation. The client's settings must name the issuer, and the issuer must be
trusted for all organizations, because a token of this provider is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kapi.dataclass import dataclass
from kapi.errors import OAuthError
from kapi.identity.accounts.users import Users
from kapi.identity.clients.clients import Client, Clients
from kapi.identity.issuers.claims import as_scopes, organization_of
from kapi.identity.issuers.declaration import Issuer
from kapi.identity.issuers.kept import KeptIssuers
from kapi.identity.issuers.preset import ANY_ORGANIZATION
from kapi.identity.issuers.verify import IssuerKeys, claims_fault, signature_fault
from kapi.identity.protocol.scopes import is_scope
from kapi.identity.tokens.presented import Presented, listed
from kapi.jose.claim_names import client_of
from kapi.jose.jwt import Jwt, parse_jwt
from kapi.store.revocations import Revocations
from kapi.typed import of_kind

_LONGEST_SUBJECT = 255
_DEEPEST = 20
_WORDS: Mapping[str, str] = {
    "malformed": "it is malformed",
    "algorithm": "its alg is not accepted from its issuer",
    "type": "it is not an access token",
    "unknown key": (
        "no key of its issuer fits; the keys are being fetched, so try again in a few seconds"
    ),
    "signature": "its signature is wrong",
    "expired": "it has expired",
    "not yet valid": "it is not valid yet",
    "audience": "its aud is not one of those that are accepted from its issuer",
    "no audience": (
        "its issuer is declared without an audience,"
        " and neither its typ nor a required claim shows that it is an access token"
    ),
    "claim": "a claim that its issuer's tokens must have is missing or different",
    "revoked": "it was revoked",
    "organization": "its organization cannot be one here",
    "subject": f"sub must be a text of 1 to {_LONGEST_SUBJECT} characters",
    "taken": "its subject is that of another person or client here",
}


@dataclass(frozen=True, slots=True)
class ThirdPartyTokens:
    """The values that checks of tokens of other issuers need."""

    trusted: KeptIssuers
    revocations: Revocations
    clients: Clients
    users: Users


def third_party(
    tokens: ThirdPartyTokens, client: Client, token: str, name: str, now: int
) -> Presented | None:
    """The valid token; None when its issuer is not one of the client's `exchange_issuers`.

    `name` is the parameter's. Raises OAuthError invalid_request with the reason for an invalid one.
    """
    if not client.settings.exchange_issuers:
        return None
    try:
        jwt = parse_jwt(token)
        trusted = _issuer(tokens.trusted, client, jwt.claims.get("iss"))
        if trusted is None:
            return None
        fault = signature_fault(jwt, trusted) or _fault(
            tokens, trusted.issuer, jwt, now
        )
    except ValueError:
        # A text that is not a JWT has no issuer.
        return None
    if fault in {"unknown key", "signature"}:
        # The key may be new, or replace an old one with the same kid.
        tokens.trusted.look_again(now)
    if fault:
        raise OAuthError("invalid_request", f"The {name} is refused: {_WORDS[fault]}")
    return _presented(trusted.issuer, jwt.claims)


def local_subject(issuer: Issuer, subject: str) -> str:
    """Its unique subject here (RFC 7519 §4.1.2): no name of an issuer contains `|`."""
    return f"{issuer.name}|{subject}"


def _issuer(trusted: KeptIssuers, client: Client, iss: Any) -> IssuerKeys | None:
    allowed = client.settings.exchange_issuers
    for item in trusted.all():
        issuer = item.issuer
        if issuer.issuer != iss or {"*", issuer.name}.isdisjoint(allowed):
            continue
        if _is_trusted_everywhere(issuer):
            return item
    return None


def _is_trusted_everywhere(issuer: Issuer) -> bool:
    if issuer.organization != ANY_ORGANIZATION:
        return False
    return not issuer.environments or ANY_ORGANIZATION in issuer.environments


def _fault(tokens: ThirdPartyTokens, issuer: Issuer, jwt: Jwt, now: int) -> str:
    """Why the token may not be exchanged, a key of _WORDS; empty when it may."""
    fault = claims_fault(jwt, issuer, now)
    if fault:
        return fault
    # It must be for this provider, or show that it is an access token (RFC 8725 §3.9, §3.12).
    if not issuer.audiences and not issuer.rule.tells_kind(jwt.header):
        return "no audience"
    claims = jwt.claims
    if claims["exp"] <= now:
        # Within the clock skew: no time is left for a new token.
        return "expired"
    jti, subject = claims.get("jti"), claims.get("sub")
    if isinstance(jti, str) and tokens.revocations.is_revoked(issuer.issuer, jti):
        return "revoked"
    if organization_of(claims, issuer) is None:
        return "organization"
    if not isinstance(subject, str) or not 0 < len(subject) <= _LONGEST_SUBJECT:
        return "subject"
    if _is_known_here(tokens, local_subject(issuer, subject)):
        return "taken"
    return ""


def _is_known_here(tokens: ThirdPartyTokens, subject: str) -> bool:
    """Whether a client or a person here has this name (RFC 9068 §5)."""
    if tokens.clients.get(subject) is not None:
        return True
    person = tokens.users.get(subject) or tokens.users.named(subject)
    return person is not None


def _audience(claims: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(of_kind(listed(claims.get("aud", ())), str))


def _presented(issuer: Issuer, claims: Mapping[str, Any]) -> Presented:
    """The claims that are copied. No other claim of it becomes one of the new token."""
    subject, client_id = str(claims["sub"]), client_of(claims, issuer.client_claims)
    named = {"sub": subject, "iss": issuer.issuer}
    if client_id not in {"", subject}:
        named["client_id"] = client_id
    said: dict[str, Any] = {
        "sub_id": {"format": "iss_sub", "iss": issuer.issuer, "sub": subject}
    }
    organization = organization_of(claims, issuer)
    if organization:
        said["organization"] = organization
    if (act := _actors(issuer, claims.get("act"))) is not None:
        said["act"] = act
    said |= {name: claims[name] for name in ("may_act", "cnf") if name in claims}
    return Presented(
        subject=local_subject(issuer, subject),
        client_id=client_id,
        audience=_audience(claims),
        scopes=tuple(sorted(filter(is_scope, as_scopes(claims, issuer.scopes_claims)))),
        expires_at=int(claims["exp"]),
        claims=said,
        user="",
        named=named,
        issuer=issuer.issuer,
    )


def _actors(issuer: Issuer, act: Any, depth: int = 0) -> dict[str, Any] | None:
    """The previous actors, each with its issuer (RFC 8693 §4.1)."""
    if not isinstance(act, Mapping) or depth > _DEEPEST:
        return None
    made: dict[str, Any] = {"iss": issuer.issuer}
    for name in ("sub", "client_id", "iss"):
        if isinstance(act.get(name), str):
            made[name] = act[name]
    if (inner := _actors(issuer, act.get("act"), depth + 1)) is not None:
        made["act"] = inner
    return made
