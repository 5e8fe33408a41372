"""Access tokens of other trusted issuers that a client presents for token exchange (RFC 8693 §2.1).

Checked as the gateway and the system APIs check them: keys, algorithms, types, audiences, required claims, revocation. Beyond
that the client's settings must name the issuer, and the issuer must be trusted everywhere, since a token of ours is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kapi.errors import OAuthError
from kapi.identity.clients.clients import Client
from kapi.identity.issuers.claims import as_scopes, organization_of
from kapi.identity.issuers.declaration import Issuer
from kapi.identity.issuers.preset import ANY_ORGANIZATION
from kapi.identity.protocol.scopes import is_scope
from kapi.identity.provider import Provider
from kapi.identity.tokens.presented import Presented
from kapi.identity.tokens.verify import IssuerKeys, claims_fault, signature_fault
from kapi.jose.claim_names import client_of
from kapi.jose.jwt import Jwt, parse_jwt

_LONGEST_SUBJECT = 255
_DEEPEST = 20
_WORDS: Mapping[str, str] = {
    "malformed": "it is malformed",
    "algorithm": "its alg is not accepted from its issuer",
    "type": "it is not an access token",
    "unknown key": "no key of its issuer fits; the keys are being looked for, so try again in a few seconds",
    "signature": "its signature is wrong",
    "expired": "it has expired",
    "not yet valid": "it is not valid yet",
    "audience": "its aud is not one of those that are accepted from its issuer",
    "no audience": "its issuer is declared without an audience, and neither its typ nor a required claim says that it is an access token",
    "claim": "a claim that its issuer's tokens must have is missing or another",
    "revoked": "it was revoked",
    "organization": "its organization cannot be one here",
    "subject": f"sub must be a text of 1 to {_LONGEST_SUBJECT} characters",
    "taken": "its subject would be somebody else here",
}


def third_party(
    provider: Provider, client: Client, token: str, name: str, now: int
) -> Presented | None:
    """The token when the client may present it and it is good; None when it is of nobody whose tokens the client may present.

    `name` is the parameter's. Raises OAuthError invalid_request with the reason for a token that is not good.
    """
    if not client.settings.exchange_issuers:
        return None
    try:
        jwt = parse_jwt(token)
        trusted = _issuer(provider, client, jwt.claims.get("iss"))
        if trusted is None:
            return None
        fault = signature_fault(jwt, trusted) or _fault(provider, trusted.issuer, jwt, now)
    except ValueError:
        # A text that is not a JWT has no issuer.
        return None
    if fault in {"unknown key", "signature"}:
        # The key may be new, or its kid may be an old one's.
        provider.trusted_issuers.look_again(now)
    if fault:
        raise OAuthError("invalid_request", f"The {name} is refused: {_WORDS[fault]}")
    return _presented(trusted.issuer, jwt.claims)


def local_subject(issuer: Issuer, subject: str) -> str:
    """What its subject is called here: unique among all issuers' (RFC 7519 §4.1.2). No issuer's name has `|` in it."""
    return f"{issuer.name}|{subject}"


def _issuer(provider: Provider, client: Client, iss: Any) -> IssuerKeys | None:
    allowed = client.settings.exchange_issuers
    for item in provider.trusted_issuers.all():
        issuer = item.issuer
        everywhere = issuer.organization == ANY_ORGANIZATION and (
            not issuer.environments or ANY_ORGANIZATION in issuer.environments
        )
        if issuer.issuer == iss and everywhere and {"*", issuer.name} & set(allowed):
            return item
    return None


def _fault(provider: Provider, issuer: Issuer, jwt: Jwt, now: int) -> str:
    """Why the token may not be exchanged, a key of _WORDS; empty when it may."""
    if fault := claims_fault(jwt, issuer, now):
        return fault
    # A token of ours is given for it, so it must be for here, or say itself what it is (RFC 8725 §3.9, §3.12).
    if not issuer.audiences and not issuer.rule.tells_kind(jwt.header):
        return "no audience"
    claims = jwt.claims
    if claims["exp"] <= now:
        # Within the skew that a verifier forgives; there is no time left to give a new token.
        return "expired"
    jti, subject = claims.get("jti"), claims.get("sub")
    if isinstance(jti, str) and provider.revocations.is_revoked(issuer.issuer, jti):
        return "revoked"
    if organization_of(claims, issuer) is None:
        return "organization"
    if not isinstance(subject, str) or not 0 < len(subject) <= _LONGEST_SUBJECT:
        return "subject"
    return "taken" if _is_known_here(provider, local_subject(issuer, subject)) else ""


def _is_known_here(provider: Provider, subject: str) -> bool:
    """Whether a client or a person of ours has this name; a subject of others must not be taken for one (RFC 9068 §5)."""
    if provider.clients.get(subject) is not None:
        return True
    return (provider.users.get(subject) or provider.users.named(subject)) is not None


def _audience(claims: Mapping[str, Any]) -> tuple[str, ...]:
    value = claims.get("aud", ())
    listed = (value,) if isinstance(value, str) else value if isinstance(value, list) else ()
    return tuple(item for item in listed if isinstance(item, str))


def _presented(issuer: Issuer, claims: Mapping[str, Any]) -> Presented:
    """What is taken over. Nothing else that it says becomes a claim of ours."""
    subject, client_id = str(claims["sub"]), client_of(claims, issuer.client_claims)
    said: dict[str, Any] = {"sub_id": {"format": "iss_sub", "iss": issuer.issuer, "sub": subject}}
    if organization := organization_of(claims, issuer):
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
        named={
            "sub": subject,
            "iss": issuer.issuer,
            **({"client_id": client_id} if client_id not in {"", subject} else {}),
        },
        issuer=issuer.issuer,
    )


def _actors(issuer: Issuer, act: Any, depth: int = 0) -> dict[str, Any] | None:
    """Who acted before, each with the issuer that knows them (RFC 8693 §4.1)."""
    if not isinstance(act, Mapping) or depth > _DEEPEST:
        return None
    made: dict[str, Any] = {
        name: act[name] for name in ("sub", "client_id", "iss") if isinstance(act.get(name), str)
    }
    made.setdefault("iss", issuer.issuer)
    inner = _actors(issuer, act.get("act"), depth + 1)
    return made if inner is None else {**made, "act": inner}
