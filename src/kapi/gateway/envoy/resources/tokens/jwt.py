"""The jwt_authn filter: a provider for each trusted issuer, and a requirement for each need. Pure.

Keys are inline. The filter travels by ECDS, so a change of keys closes no connection and empties
the token cache. `token_checks.py` comes right after it and checks what it cannot (`typ`, `crit`,
tokens that are not access tokens).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from typing import Any

from kapi.apis.reserved_headers import may_hold_claim
from kapi.dataclass import dataclass
from kapi.gateway.envoy.resources.names import FAULT, JWT_FILTER, typed
from kapi.gateway.envoy.resources.tokens.keys import verifying_keys
from kapi.gateway.issuers import TrustedIssuer
from kapi.jose.claim_names import paths
from kapi.policies.authentication.trust import (
    API_KEY,
    BEARER,
    DPOP,
    ISSUER_HEADER,
    JTI_HEADER,
    MOVED_BEARER,
    MOVED_BEARER_HEADER,
    MOVED_JWT_HEADER,
    MOVED_KEY_HEADER,
    MOVED_QUERY_HEADER,
    OPTIONAL,
    RAW_JWT,
    THUMBPRINT_HEADER,
    Need,
)
from kapi.policies.rbac import API_KEY_CLAIMS, CLAIMS, HEADER

LARGEST_CACHED_TOKEN = 8192
BYTES_OF_CACHED_TOKEN = 7 * 1024
"""Memory of Envoy for a token of about a thousand characters.

Measured as the growth of Envoy under 25,000 fresh tokens."""
_OF_SECOND_NAME = 256
"""Tokens that are remembered of an issuer under its second name: those of one machine."""
_TAIL = 2
"""Letters of a scheme that the token filter looks for.

It searches the whole header for each spelling, so a letter more doubles the cost. No registered
scheme but Bearer ends with these letters, and none but DPoP with those of DPoP.
"""


def _spellings(scheme: str) -> tuple[str, ...]:
    """How the end of a scheme may be written, with the space after it.

    A scheme is case-insensitive (RFC 9110 §11.1). Envoy's prefix is not, but it is found anywhere
    in the header. So four spellings of two letters cover the 64 of a whole `Bearer`.
    `token_checks.py` checks what comes before them.
    """
    letters = [(letter.lower(), letter.upper()) for letter in scheme[-_TAIL:]]
    return tuple(f"{''.join(spelling)} " for spelling in itertools.product(*letters))


def _after(header: str, schemes: Iterable[str]) -> tuple[dict[str, str], ...]:
    """The places of a token in a header: after one of the spellings of its scheme."""
    return tuple({"name": header, "value_prefix": scheme} for scheme in schemes)


SCHEMES = _spellings("Bearer")
DPOP_SCHEMES = _spellings("DPoP")
_PLACES: dict[str, tuple[dict[str, str], ...]] = {
    # The default also accepts the query parameter access_token, which RFC 9700 §4.3.2 forbids.
    BEARER: _after("Authorization", SCHEMES),
    DPOP: _after("Authorization", DPOP_SCHEMES),
    MOVED_BEARER: (*_after(MOVED_BEARER_HEADER, SCHEMES), {"name": MOVED_QUERY_HEADER}),
    RAW_JWT: ({"name": MOVED_JWT_HEADER},),
    API_KEY: ({"name": MOVED_KEY_HEADER},),
}
_FIELD_NAME = re.compile(r"[a-z0-9_-]{1,128}")


@dataclass(frozen=True, slots=True)
class TokenCache:
    """How many verified tokens Envoy may remember: each provider does, in each thread."""

    most_tokens: int
    """For one provider in one thread."""
    most_bytes: int
    """For all of them together."""
    threads: int

    def tokens(self, providers: int) -> int:
        """Tokens for each provider in each thread; Envoy takes 0 for its own default."""
        share = self.most_bytes // (
            BYTES_OF_CACHED_TOKEN * self.threads * max(1, providers)
        )
        return max(1, min(self.most_tokens, share))


def jwt_filter(
    issuers: Sequence[TrustedIssuer], cache: TokenCache, needs: Iterable[Need] = ()
) -> dict[str, Any]:
    """The ECDS resource.

    A need without an issuer that has keys gets no requirement; Envoy refuses routes that name it.
    """
    wanted = sorted(needs)
    keys = {
        issuer.name: verifying_keys(issuer.jwks, issuer.algorithms)
        for issuer in issuers
    }
    issuers = [issuer for issuer in issuers if keys[issuer.name]]
    used = _PLACES.keys() & set().union(*(need.kinds for need in wanted))
    provided = [
        (issuer, kind)
        for issuer in issuers
        for kind in sorted(used & set(_kinds(issuer)))
    ]
    tokens = cache.tokens(sum(not issuer.same_as for issuer, _ in provided))
    providers = {}
    for issuer, kind in provided:
        remembered = min(tokens, _OF_SECOND_NAME) if issuer.same_as else tokens
        provider = _provider(issuer, kind, keys[issuer.name], remembered)
        providers[_provider_name(issuer, kind)] = provider
    requirements = {}
    for need in wanted:
        requirement = _requirement(need, issuers)
        if requirement:
            requirements[need.name] = requirement
    config = typed(
        "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
        providers=providers,
        requirement_map=requirements,
    )
    return {"name": JWT_FILTER, "typed_config": config}


def _kinds(issuer: TrustedIssuer) -> str:
    if issuer.api_keys:
        return API_KEY
    return BEARER + DPOP + MOVED_BEARER + RAW_JWT


def _requirement(need: Need, issuers: Sequence[TrustedIssuer]) -> dict[str, Any]:
    serving = []
    for issuer in issuers:
        if issuer.serves(need.organization, need.environment):
            serving.append(issuer)
    each: list[dict[str, Any]] = []
    for kind in need.kinds:
        # No issuer has the kind OPTIONAL.
        accepting = []
        for issuer in serving:
            if kind in _kinds(issuer):
                accepting.append(issuer)
        each += [
            {"provider_name": _provider_name(issuer, kind)} for issuer in accepting
        ]
    if OPTIONAL in need.kinds:
        # Also without an issuer: no credential could be checked, and none is needed.
        each.append({"allow_missing": {}})
    if len(each) < 2:
        if each:
            return each[0]
        return {}
    return {"requires_any": {"requirements": each}}


def _provider_name(issuer: TrustedIssuer, kind: str) -> str:
    if kind == BEARER:
        return issuer.name
    return f"{issuer.name}/{kind}"


def _provider(
    issuer: TrustedIssuer, kind: str, keys: str, cache_size: int
) -> dict[str, Any]:
    provider: dict[str, Any] = {
        "issuer": issuer.issuer,
        "local_jwks": {"inline_string": keys},
        "require_expiration": not issuer.api_keys,
        "forward": True,
        "from_headers": list(_PLACES[kind]),
        "payload_in_metadata": API_KEY_CLAIMS if kind == API_KEY else CLAIMS,
        "header_in_metadata": HEADER,
        "failed_status_in_metadata": FAULT + issuer.name,
        "claim_to_headers": _claim_headers(issuer),
        "clock_skew_seconds": issuer.clock_skew,
        "jwt_cache_config": {
            "jwt_cache_size": cache_size,
            "jwt_max_token_size": LARGEST_CACHED_TOKEN,
        },
    }
    if issuer.audiences:
        provider["audiences"] = list(issuer.audiences)
    return provider


def _claim_headers(issuer: TrustedIssuer) -> list[dict[str, Any]]:
    """Of a name with dots that are part of it, Envoy must be told so: `claim_path`."""
    own = {ISSUER_HEADER: "iss", JTI_HEADER: "jti"}
    if issuer.binds_to_certificates:
        own[THUMBPRINT_HEADER] = "cnf.x5t#S256"
    found = [
        {"header_name": header, "claim_name": claim} for header, claim in own.items()
    ]
    mapped = {}
    for remote, local in issuer.claim_mappings:
        if mappable(local):
            mapped[local.lower()] = remote
    for header, claim in mapped.items():
        found += [_claim_header(header, path) for path in paths(claim)]
    return found


def _claim_header(header: str, path: tuple[str, ...]) -> dict[str, Any]:
    if len(path) == 1 and "." in path[0]:
        return {"header_name": header, "claim_path": [{"key": path[0]}]}
    return {"header_name": header, "claim_name": ".".join(path)}


def mappable(header: str) -> bool:
    """Whether a claim may be forwarded by this name."""
    return bool(_FIELD_NAME.fullmatch(header.lower())) and may_hold_claim(header)
