"""Bearer tokens of callers of our own system APIs (RFC 6750, RFC 7519 §7.2, RFC 8725, RFC 9068 §4), of whichever trusted issuer.

The issuer's keys decide the algorithm, never the token; keys come from trusted issuers only, never from the token's header.
The gateway makes the same checks for deployed APIs (`gateway/envoy/resources/tokens/jwt.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from kapi import error_codes
from kapi.errors import Problem
from kapi.identity.issuers.claims import as_scopes, has_audience, organization_of
from kapi.identity.issuers.declaration import Issuer
from kapi.identity.issuers.keyset import KeySet, read_jwks
from kapi.identity.issuers.preset import SYSTEM_ORGANIZATION
from kapi.identity.keys.keyring import SigningKey, jwks
from kapi.identity.possession.confirmation import Confirmation, confirmation_of
from kapi.jose.compact import decoded, jose_header, json_part
from kapi.jose.signatures import signed
from kapi.policies.callers.claim_names import client_of, find
from kapi.policies.callers.token_kinds import OWN_TOKENS

INBUILT = "inbuilt"
"""Name of the inbuilt provider among the issuers."""
LARGEST_TOKEN = 16 * 1024
_SUGGESTION = "Make sure you have provided the correct security credentials"

Refused = Callable[[str, str], None]
"""Told the issuer's name (empty when it is not known) and a reason of REASONS."""
Holder = Callable[[Confirmation, str], None]
"""Given what a token is bound to, and the token; raises Problem 401 unless the caller holds that key."""
REASONS = (
    "malformed",
    "unknown issuer",
    "algorithm",
    "type",
    "unknown key",
    "signature",
    "expired",
    "not yet valid",
    "audience",
    "claim",
    "revoked",
    "organization",
)


@dataclass(frozen=True, slots=True)
class IssuerKeys:
    """A trusted issuer and its public keys of now."""

    issuer: Issuer
    keys: KeySet

    @classmethod
    def inbuilt(cls, issuer: str, keys: Sequence[SigningKey]) -> IssuerKeys:
        """The inbuilt provider as an issuer."""
        algorithms = tuple(dict.fromkeys(key.algorithm for key in keys))
        declared = Issuer(
            *(INBUILT, INBUILT, issuer, "", ""),
            algorithms=algorithms,
            scopes_claims=("scope",),
            types=OWN_TOKENS.types,
            required_claims=OWN_TOKENS.required_claims,
        )
        return cls(declared, read_jwks(jwks(keys), algorithms))


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is calling; `organization` is empty when the token names none. `issuer` is the trusted issuer's name."""

    subject: str
    client_id: str
    scopes: frozenset[str]
    organization: str
    issuer: str = INBUILT


class _Refused(Exception):
    def __init__(self, reason: str, issuer: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.issuer = issuer


def _nobody(issuer: str, reason: str) -> None:
    """Nobody wants to know."""


def _never(issuer: str, jti: str) -> bool:  # noqa: ARG001 - the shape of `revoked`
    return False


def verify_bearer(
    authorization: str,
    issuers: Sequence[IssuerKeys],
    now: int,
    revoked: Callable[[str, str], bool] = _never,
    refused: Refused = _nobody,
    holder: Holder | None = None,
) -> Principal:
    """The caller behind an Authorization header.

    `revoked` is asked with the verified token's issuer and `jti`; `refused` hears why a token was not accepted; `holder` checks
    the proof for a token that is bound to a key, and without it such tokens are refused.

    Raises Problem 401: 900902 without credentials, 900903 for an expired token, 900901 for any other fault; 403 when the
    token's organization cannot be one here.
    """
    scheme, _, token = authorization.partition(" ")
    token = token.strip(" ")
    if scheme.lower() not in {"bearer", "dpop"} or not token:
        detail = f"{_SUGGESTION}: a header Authorization: Bearer ACCESS_TOKEN"
        # RFC 6750 §3.1: no error code when no credentials were sent.
        raise Problem.of(
            error_codes.MISSING_CREDENTIALS,
            detail=detail,
            headers={"WWW-Authenticate": 'Bearer realm="kapi"'},
        )
    try:
        issuer, claims = _accepted(token, issuers, now)
        jti = claims.get("jti")
        if isinstance(jti, str) and revoked(issuer.issuer, jti):
            raise _Refused("revoked", issuer.name)
        _check_holder(claims, scheme.lower(), token, holder, issuer)
        return _principal(issuer, claims)
    except _Refused as error:
        refused(error.issuer, error.reason)
        raise _face(error.reason) from error
    except (ValueError, RecursionError) as error:
        refused("", "malformed")
        raise _face("malformed") from error


def require_scope(principal: Principal, any_of: Sequence[str]) -> None:
    """Raise Problem 403 (900910) unless the caller has one of the scopes."""
    if principal.scopes.isdisjoint(any_of):
        scope = " ".join(any_of)
        raise Problem.of(
            error_codes.SCOPE_MISSING,
            detail=f"Scope validation failed: one of these scopes is needed: {scope}",
            hint=f"Ask for a token with it: kapi token --scope {any_of[0]}",
            headers={
                "WWW-Authenticate": f'Bearer realm="kapi", error="insufficient_scope", scope="{scope}"'
            },
        )


def _face(reason: str) -> Problem:
    """What the caller learns: nothing that helps to guess, but that a token has expired."""
    challenge = {
        "WWW-Authenticate": 'Bearer realm="kapi", error="invalid_token", error_description="The provided token is invalid"'
    }
    if reason == "expired":
        return Problem.of(
            error_codes.TOKEN_EXPIRED,
            detail="Access Token Expired. Renew the access token and try again",
            headers=challenge,
        )
    if reason == "organization":
        hint = "Name it in the issuer's `organizations`, or map the claim that holds it (`claim_mappings`)."
        return Problem.of(
            error_codes.UNKNOWN_ORGANIZATION,
            detail="The organization in the token is not one that can have APIs here.",
            hint=hint,
        )
    why = {"not yet valid": "The token is not valid yet", "revoked": "The token was revoked"}
    detail = f"{why.get(reason, 'Invalid Credentials')}. {_SUGGESTION}"
    return Problem.of(error_codes.INVALID_CREDENTIALS, detail=detail, headers=challenge)


def _accepted(token: str, issuers: Sequence[IssuerKeys], now: int) -> tuple[Issuer, dict[str, Any]]:
    """The issuer and the claims of a token that is signed, in time, and meant for us."""
    if len(token) > LARGEST_TOKEN or token.count(".") != 2:
        raise _Refused("malformed")
    header, claims, message, signature = split(token)
    trusted = [item for item in issuers if item.issuer.issuer == claims.get("iss")]
    if not trusted:
        raise _Refused("unknown issuer")
    # One issuer may be declared twice, for the system APIs and for an organization.
    own = next((item for item in trusted if item.issuer.in_organization(SYSTEM_ORGANIZATION)), None)
    if own is None:
        raise _Refused("unknown issuer", trusted[0].issuer.name)
    issuer = own.issuer
    if fault := signature_fault(header, message, signature, own) or claims_fault(
        header, claims, issuer, now
    ):
        raise _Refused(fault, issuer.name)
    return issuer, claims


def signature_fault(
    header: dict[str, Any], message: bytes, signature: bytes, trusted: IssuerKeys
) -> str:
    """Why the signature does not count, a reason of REASONS; empty when it does."""
    algorithm, kid = header.get("alg"), header.get("kid", "")
    if (
        not isinstance(algorithm, str)
        or algorithm not in trusted.issuer.algorithms
        or not isinstance(kid, str)
    ):
        return "algorithm"
    # RFC 7515 §4.1.11: what must be understood and is not, is refused.
    if "crit" in header or "b64" in header:
        return "malformed"
    # A kid may be left out (RFC 7515 §4.1.4), and the gateway then tries every key; our own provider always writes one.
    keys = (
        trusted.keys.find(kid, algorithm)
        if kid or trusted.issuer.name == INBUILT
        else trusted.keys.of(algorithm)
    )
    if not keys:
        return "unknown key"
    return (
        ""
        if any(signed(algorithm, key.public, message, signature) for key in keys)
        else "signature"
    )


def claims_fault(header: dict[str, Any], claims: dict[str, Any], issuer: Issuer, now: int) -> str:
    """Why the claims do not count, or that it is not an access token, a reason of REASONS; empty when they do."""
    return (
        time_fault(claims, issuer, now)
        or _audience_fault(claims, issuer)
        or _kind_fault(header, claims, issuer)
    )


def time_fault(claims: dict[str, Any], issuer: Issuer, now: int) -> str:
    """Whether it is too old or too young, a reason of REASONS; empty when it is neither. Raises ValueError without a good `exp`."""
    expires, not_before = _time(claims, "exp"), _time(claims, "nbf", 0.0)
    if expires + issuer.clock_skew <= now:
        return "expired"
    return "not yet valid" if not_before - issuer.clock_skew > now else ""


def _audience_fault(claims: dict[str, Any], issuer: Issuer) -> str:
    return "audience" if issuer.audiences and not has_audience(claims, issuer.audiences) else ""


def _kind_fault(header: dict[str, Any], claims: dict[str, Any], issuer: Issuer) -> str:
    objection = issuer.rule.objection(header, claims)
    if objection is None:
        return ""
    return "claim" if objection.rule == "required claim" else "type"


def _check_holder(
    claims: dict[str, Any], scheme: str, token: str, holder: Holder | None, issuer: Issuer
) -> None:
    """What is bound to a key must not be used without the proof (RFC 7800), nor what is not bound with the scheme of what is."""
    required = confirmation_of(claims)
    if (
        required is None
        or (scheme == "dpop") is not bool(required.jkt)
        or (required and holder is None)
    ):
        raise _Refused("claim", issuer.name)
    if required and holder is not None:
        holder(required, token)


def _principal(issuer: Issuer, claims: dict[str, Any]) -> Principal:
    organization = organization_of(claims, issuer)
    if organization is None:
        raise _Refused("organization", issuer.name)
    subject = find(claims, "sub")
    return Principal(
        subject=subject if isinstance(subject, str) else "",
        client_id=client_of(claims, issuer.client_claims),
        scopes=as_scopes(claims, issuer.scopes_claims),
        organization=organization,
        issuer=issuer.name,
    )


def split(token: str) -> tuple[dict[str, Any], dict[str, Any], bytes, bytes]:
    """Header, claims, signed bytes and signature of a compact JWS (RFC 7515 §7.1). Raises ValueError."""
    encoded_header, encoded_claims, encoded_signature = token.split(".")
    message = f"{encoded_header}.{encoded_claims}".encode("ascii")
    return (
        jose_header(encoded_header),
        json_part(encoded_claims),
        message,
        decoded(encoded_signature),
    )


def _time(claims: dict[str, Any], name: str, default: float | None = None) -> float:
    value = claims.get(name, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < 2**53:
        raise ValueError(name)
    return float(value)
