"""Verifies access tokens of callers of the system APIs, of any trusted issuer.

RFC 6750, RFC 7519 §7.2, RFC 8725, RFC 9068 §4. The issuer's keys decide the algorithm, not the
token; keys are those of trusted issuers, not those in the token's header. The gateway makes the
same checks for deployed APIs (`gateway/envoy/resources/tokens/jwt.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kapi import error_codes
from kapi.dataclass import dataclass
from kapi.errors import Problem
from kapi.identity.issuers.claims import as_scopes, has_audience, organization_of
from kapi.identity.issuers.declaration import Issuer
from kapi.identity.issuers.preset import SYSTEM_ORGANIZATION
from kapi.identity.possession.confirmation import Confirmation, confirmation_of
from kapi.jose.algorithms import verifies
from kapi.jose.claim_names import client_of, find
from kapi.jose.jwk_set import KeySet, VerificationKey, read_jwks
from kapi.jose.jwt import Jwt, has_critical_parameters, parse_jwt
from kapi.jose.signing_keys import SigningKey, public_jwks
from kapi.jose.token_kinds import OWN_TOKENS

INBUILT = "inbuilt"
"""Name of the inbuilt provider among the issuers."""
_SUGGESTION = "Make sure you have provided the correct security credentials"

Refused = Callable[[str, str], None]
"""Called with the issuer's name (empty for an unknown one) and a reason of REASONS."""
Holder = Callable[[Confirmation, str], None]
"""Called with the confirmation of a token, and the token; raises Problem 401 without a proof."""
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
    """A trusted issuer and its current public keys."""

    issuer: Issuer
    keys: KeySet

    @classmethod
    def inbuilt(
        cls, issuer: str, keys: Sequence[SigningKey], more_names: Sequence[str] = ()
    ) -> IssuerKeys:
        """The inbuilt provider as an issuer; `more_names` are further `iss` of its tokens."""
        algorithms = tuple(dict.fromkeys(key.algorithm for key in keys))
        declared = Issuer(
            *(INBUILT, INBUILT, issuer, "", ""),
            more_names=tuple(more_names),
            algorithms=algorithms,
            scopes_claims=("scope",),
            types=OWN_TOKENS.types,
            required_claims=OWN_TOKENS.required_claims,
        )
        return cls(declared, read_jwks(public_jwks(keys), algorithms))


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller. `organization` may be empty; `issuer` is the name of the trusted issuer."""

    subject: str
    client_id: str
    scopes: frozenset[str]
    organization: str
    issuer: str = INBUILT
    token: str = ""
    """`jti` of the access token."""
    expires_at: int = 0
    """When the access token expires, in seconds since the epoch."""


class _Refused(Exception):
    def __init__(self, reason: str, issuer: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.issuer = issuer


def _ignore(issuer: str, reason: str) -> None:
    """Refusals are not counted."""


def _never(issuer: str, jti: str) -> bool:  # noqa: ARG001 - the shape of `revoked`
    return False


def verify_bearer(
    authorization: str,
    issuers: Sequence[IssuerKeys],
    now: int,
    revoked: Callable[[str, str], bool] = _never,
    refused: Refused = _ignore,
    holder: Holder | None = None,
) -> Principal:
    """The caller behind an Authorization header.

    `revoked` is called with the verified token's issuer and `jti`, `refused` with the reason of a
    refusal. `holder` checks the proof of a token that is bound to a key; without it such tokens are
    refused.

    Raises Problem 401: 900902 without credentials, 900903 for an expired token, 900901 for any
    other fault; 403 when the token's organization cannot be one here.
    """
    scheme, _, token = authorization.partition(" ")
    scheme, token = scheme.lower(), token.strip(" ")
    if scheme not in {"bearer", "dpop"} or not token:
        raise _missing_credentials()
    try:
        issuer, claims = _accepted(token, issuers, now)
        jti = claims.get("jti")
        if isinstance(jti, str) and revoked(issuer.issuer, jti):
            raise _Refused("revoked", issuer.name)
        _check_holder(claims, scheme, token, holder, issuer)
        return _principal(issuer, claims)
    except _Refused as error:
        refused(error.issuer, error.reason)
        raise _problem(error.reason) from error
    except (ValueError, RecursionError) as error:
        refused("", "malformed")
        raise _problem("malformed") from error


def _missing_credentials() -> Problem:
    # RFC 6750 §3.1: no error code when no credentials were sent.
    return Problem.of(
        error_codes.MISSING_CREDENTIALS,
        detail=f"{_SUGGESTION}: a header Authorization: Bearer ACCESS_TOKEN",
        headers={"WWW-Authenticate": 'Bearer realm="kapi"'},
    )


def require_scope(principal: Principal, any_of: Sequence[str]) -> None:
    """Raise Problem 403 (900910) unless the caller has one of the scopes."""
    if principal.scopes.isdisjoint(any_of):
        scope = " ".join(any_of)
        raise Problem.of(
            error_codes.SCOPE_MISSING,
            detail=f"Scope validation failed: one of these scopes is needed: {scope}",
            hint=f"Ask for a token with it: kapi token --scope {any_of[0]}",
            headers={
                "WWW-Authenticate": (
                    f'Bearer realm="kapi", error="insufficient_scope", scope="{scope}"'
                )
            },
        )


def _problem(reason: str) -> Problem:
    """The error for the caller, without details that help to guess a token."""
    challenge = {
        "WWW-Authenticate": (
            'Bearer realm="kapi", error="invalid_token",'
            ' error_description="The provided token is invalid"'
        )
    }
    if reason == "expired":
        return Problem.of(
            error_codes.TOKEN_EXPIRED,
            detail="Access Token Expired. Renew the access token and try again",
            headers=challenge,
        )
    if reason == "organization":
        hint = (
            "Name it in the issuer's `organizations`, or map the claim that contains it"
            " (`claim_mappings`)."
        )
        return Problem.of(
            error_codes.UNKNOWN_ORGANIZATION,
            detail="The organization in the token is not one that can have APIs here.",
            hint=hint,
        )
    why = {
        "not yet valid": "The token is not valid yet",
        "revoked": "The token was revoked",
    }
    detail = f"{why.get(reason, 'Invalid Credentials')}. {_SUGGESTION}"
    return Problem.of(error_codes.INVALID_CREDENTIALS, detail=detail, headers=challenge)


def _accepted(
    token: str, issuers: Sequence[IssuerKeys], now: int
) -> tuple[Issuer, Mapping[str, Any]]:
    """The issuer and the claims of a valid token for the system APIs."""
    jwt = parse_jwt(token)
    trusted = []
    for item in issuers:
        if item.issuer.is_named(jwt.claims.get("iss")):
            trusted.append(item)
    if not trusted:
        raise _Refused("unknown issuer")
    # One issuer may be declared twice, for the system APIs and for an organization.
    own = next(
        (item for item in trusted if item.issuer.in_organization(SYSTEM_ORGANIZATION)),
        None,
    )
    if own is None:
        raise _Refused("unknown issuer", trusted[0].issuer.name)
    issuer = own.issuer
    fault = signature_fault(jwt, own)
    if fault:
        raise _Refused(fault, issuer.name)
    fault = claims_fault(jwt, issuer, now)
    if fault:
        raise _Refused(fault, issuer.name)
    return issuer, jwt.claims


def signature_fault(jwt: Jwt, trusted: IssuerKeys) -> str:
    """Why the signature is not accepted, a reason of REASONS; empty when it is."""
    algorithm, kid = jwt.header.get("alg"), jwt.header.get("kid", "")
    if not isinstance(algorithm, str) or algorithm not in trusted.issuer.algorithms:
        return "algorithm"
    if has_critical_parameters(jwt.header):
        return "malformed"
    keys = _keys(trusted, kid, algorithm)
    if not keys:
        return "unknown key"
    for key in keys:
        if verifies(algorithm, key.public, jwt.signing_input, jwt.signature):
            return ""
    return "signature"


def _keys(trusted: IssuerKeys, kid: str, algorithm: str) -> tuple[VerificationKey, ...]:
    # Without a kid (RFC 7515 §4.1.4) all keys are tried, as in the gateway; the inbuilt provider
    # always writes one.
    if kid or trusted.issuer.name == INBUILT:
        return trusted.keys.find(kid, algorithm)
    return trusted.keys.of(algorithm)


def claims_fault(jwt: Jwt, issuer: Issuer, now: int) -> str:
    """Why the claims or the kind of token are not accepted, a reason of REASONS; else empty."""
    fault = time_fault(jwt.claims, issuer, now)
    if fault:
        return fault
    if issuer.audiences and not has_audience(jwt.claims, issuer.audiences):
        return "audience"
    objection = issuer.rule.objection(jwt.header, jwt.claims)
    if objection is None:
        return ""
    if objection.rule == "required claim":
        return "claim"
    return "type"


def time_fault(claims: Mapping[str, Any], issuer: Issuer, now: int) -> str:
    """`expired`, `not yet valid` or empty. Raises ValueError for a malformed time."""
    expires, not_before = _time(claims, "exp"), _time(claims, "nbf", 0.0)
    if expires + issuer.clock_skew <= now:
        return "expired"
    if not_before - issuer.clock_skew > now:
        return "not yet valid"
    return ""


def _check_holder(
    claims: Mapping[str, Any],
    scheme: str,
    token: str,
    holder: Holder | None,
    issuer: Issuer,
) -> None:
    """A token that is bound to a key needs the proof (RFC 7800), and a DPoP key its scheme."""
    required = confirmation_of(claims)
    if required is None or (scheme == "dpop") is not bool(required.jkt):
        raise _Refused("claim", issuer.name)
    if not required:
        return
    if holder is None:
        raise _Refused("claim", issuer.name)
    holder(required, token)


def _principal(issuer: Issuer, claims: Mapping[str, Any]) -> Principal:
    organization = organization_of(claims, issuer)
    if organization is None:
        raise _Refused("organization", issuer.name)
    subject = find(claims, "sub")
    if not isinstance(subject, str):
        subject = ""
    return Principal(
        subject=subject,
        client_id=client_of(claims, issuer.client_claims),
        scopes=as_scopes(claims, issuer.scopes_claims),
        organization=organization,
        issuer=issuer.name,
        token=str(claims.get("jti", "")),
        expires_at=int(_time(claims, "exp", 0)),
    )


def _time(claims: Mapping[str, Any], name: str, default: float | None = None) -> float:
    value = claims.get(name, default)
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, float))
        or not abs(value) < 2**53
    ):
        raise ValueError(name)
    return float(value)
