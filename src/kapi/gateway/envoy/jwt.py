"""The jwt_authn filter: one provider per trusted issuer, its keys inline. Pure; travels by ECDS, so a key change closes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kapi.gateway.envoy.names import ISSUER_HEADER, JTI_HEADER, JWT_FILTER, typed
from kapi.gateway.issuers import TrustedIssuer
from kapi.policies.authentication import ANY_ISSUER, CLAIMS
from kapi.policies.scopes import SCOPE_CLAIMS

CLOCK_SKEW_SECONDS = 5
LARGEST_CACHED_TOKEN = 8192
SCHEMES = ("Bearer ", "bearer ", "BEARER ")
"""The scheme is case-insensitive (RFC 9110 §11.1), Envoy's prefix is not."""


def jwt_filter(issuers: Sequence[TrustedIssuer], cache_size: int) -> dict[str, Any]:
    """The ECDS resource. Without issuers the requirement does not exist, and Envoy refuses every token."""
    providers = {issuer.name: _provider(issuer, cache_size) for issuer in issuers}
    return {
        "name": JWT_FILTER,
        "typed_config": typed(
            "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication", providers=providers, requirement_map=_requirements(issuers)
        ),
    }


def _requirements(issuers: Sequence[TrustedIssuer]) -> dict[str, Any]:
    each = [{"provider_name": issuer.name} for issuer in issuers]
    if len(each) < 2:
        return {ANY_ISSUER: each[0]} if each else {}
    return {ANY_ISSUER: {"requires_any": {"requirements": each}}}


def _provider(issuer: TrustedIssuer, cache_size: int) -> dict[str, Any]:
    provider: dict[str, Any] = {
        "issuer": issuer.issuer,
        "local_jwks": {"inline_string": issuer.jwks},
        "require_expiration": True,
        "forward": True,
        # Named, because the default also takes the access_token query parameter (RFC 9700 §4.3.2 forbids it).
        "from_headers": [{"name": "Authorization", "value_prefix": scheme} for scheme in SCHEMES],
        "payload_in_metadata": CLAIMS,
        "claim_to_headers": [{"header_name": ISSUER_HEADER, "claim_name": "iss"}, {"header_name": JTI_HEADER, "claim_name": "jti"}],
        "normalize_payload_in_metadata": {"space_delimited_claims": list(SCOPE_CLAIMS)},
        "clock_skew_seconds": CLOCK_SKEW_SECONDS,
        "jwt_cache_config": {"jwt_cache_size": cache_size, "jwt_max_token_size": LARGEST_CACHED_TOKEN},
    }
    if issuer.audiences:
        provider["audiences"] = list(issuer.audiences)
    return provider
