"""What the token filter cannot check: refuses verified tokens that are no access tokens, or not for here. Pure; travels by ECDS.

`typ` (RFC 8725 §3.11), `crit` (RFC 7515 §4.1.11), kinds of tokens that share a key with access tokens, APK's `keytype`, tokens bound to
a key of the client (`cnf`, RFC 7800) without their proof, claims that an issuer's tokens must have.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kapi.gateway.envoy.jwt import mappable
from kapi.gateway.issuers import TOKEN_TYPES, TrustedIssuer
from kapi.policies.authentication import TOKEN_FILTER
from kapi.policies.rbac import (
    FACTS,
    HEADER,
    JWT_FILTER,
    PRESENT,
    TRUE,
    Principal,
    claim,
    every,
    header,
    metadata,
    no,
    one_of,
    rbac,
    some,
    text,
)
from kapi.policies.token_kinds import KIND_CLAIMS, OTHER_KINDS, OTHERS_CLAIMS

_CONTROLS = {"string_match": {"safe_regex": {"regex": r"(?s).*[\x00-\x08\x0a-\x1f\x7f].*"}}}
_SCOPES = ("scope", "scp", "permissions", "roles")


def token_checks(issuers: Sequence[TrustedIssuer], domain: str) -> dict[str, Any]:
    """The ECDS resource; `domain` is that of the hosts of APIs."""
    refused: dict[str, Principal] = {
        "900901_crit": some(_jose("crit", PRESENT), _jose("b64", PRESENT)),
        "900901_typ": _wrong_type(issuers),
        "900901_kind": some(
            *(claim(name, PRESENT) for name in OTHERS_CLAIMS),
            # Some issuers put the nonce into access tokens too; those have scopes.
            every(claim("nonce", PRESENT), *(no(claim(name, PRESENT)) for name in _SCOPES)),
            *(claim(name, one_of(OTHER_KINDS)) for name in KIND_CLAIMS),
        ),
        "900901_keytype": _wrong_key_type(domain),
        "900901_bound": every(claim("cnf", PRESENT), no(metadata(FACTS, ("proved",), TRUE))),
    }
    if headers := sorted({local.lower() for issuer in issuers for _, local in issuer.claim_mappings if mappable(local)}):
        # The backend could not be called: such a text cannot stand in a header (RFC 9110 §5.5).
        refused["900901_claims"] = some(*(header(name, _CONTROLS) for name in headers))
    for number, issuer in enumerate(issuers):
        if issuer.required_claims and not issuer.api_keys:
            missing = some(*(no(claim(name, text(value) if value else PRESENT)) for name, value in issuer.required_claims))
            refused[f"900901_required_{number}"] = every(_of(issuer), missing)
    return {"name": TOKEN_FILTER, "typed_config": rbac(refused)}


def _jose(name: str, value: dict[str, Any]) -> Principal:
    return metadata(JWT_FILTER, (HEADER, name), value)


def _of(issuer: TrustedIssuer) -> Principal:
    return claim("iss", text(issuer.issuer))


def _wrong_type(issuers: Sequence[TrustedIssuer]) -> Principal:
    """Most issuers accept the usual types; those that do not have a rule of their own."""
    special = [issuer for issuer in issuers if not issuer.api_keys and set(issuer.token_types) != set(TOKEN_TYPES)]
    usual = every(_has_no_type_of(TOKEN_TYPES), claim("iss", PRESENT), *(no(_of(issuer)) for issuer in special))
    return some(usual, *(every(_of(issuer), _has_no_type_of(issuer.token_types)) for issuer in special))


def _has_no_type_of(types: Sequence[str]) -> Principal:
    """Media types do not depend on the case of letters (RFC 2045 §5.1)."""
    names, untyped = [name for name in types if name], _jose("typ", PRESENT) if "" in types else claim("iss", PRESENT)
    # First what decides for most tokens, as nothing else is then looked at.
    return every(no(_jose("typ", one_of(names, any_case=True))), untyped) if names else untyped


def _wrong_key_type(domain: str) -> Principal:
    """Those of API keys are checked where the keys are (`key_claims.lua`)."""
    sandbox = header(":authority", {"string_match": {"suffix": f".sandbox.{domain.lower()}", "ignore_case": True}})
    return every(
        claim("keytype", PRESENT),
        some(
            every(sandbox, no(claim("keytype", text("SANDBOX", any_case=True)))),
            every(no(sandbox), no(claim("keytype", text("PRODUCTION", any_case=True)))),
        ),
    )
