"""The script for tokens that Envoy's own filters cannot check; a matcher skips it for others. Pure.

It runs for issuers whose scopes are in another claim than `scope` or `scp`, and for tokens bound to
a client certificate. If no issuer has either, a filter that does nothing replaces it: the matcher
costs each call some microseconds. It travels by ECDS.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from kapi.gateway.envoy.resources.lua_values import lua
from kapi.gateway.envoy.resources.names import typed
from kapi.gateway.issuers import TrustedIssuer
from kapi.jose.claim_names import paths
from kapi.policies.authentication.trust import ISSUER_HEADER, THUMBPRINT_HEADER
from kapi.policies.authentication.unchecked import CLAIMS_FILTER
from kapi.policies.callers.scopes import SCOPE_CLAIMS
from kapi.policies.contract import PLACEHOLDER
from kapi.policies.lua import script

_SCRIPT = script("claims")


_SKIP: Final = {
    "action": {
        "name": "skip",
        "typed_config": typed(
            "envoy.extensions.filters.common.matcher.action.v3.SkipFilter"
        ),
    }
}


def claims_filter(issuers: Sequence[TrustedIssuer]) -> dict[str, Any]:
    """The filter with the script, as an ECDS resource; a placeholder if no issuer needs it."""
    token_issuers = []
    for item in issuers:
        if not item.api_keys:
            token_issuers.append(item)
    own = {
        item.issuer: list(map(paths, item.scopes_claims))
        for item in token_issuers
        if not set(item.scopes_claims) <= set(SCOPE_CLAIMS)
    }
    if not own and not any(item.binds_to_certificates for item in token_issuers):
        return {"name": CLAIMS_FILTER, "typed_config": PLACEHOLDER}
    needed = [
        _header(THUMBPRINT_HEADER, {"safe_regex": {"regex": ".+", "google_re2": {}}}),
        *(_header(ISSUER_HEADER, {"exact": name}) for name in sorted(own)),
    ]
    any_needed = needed[0]
    if len(needed) > 1:
        any_needed = {"or_matcher": {"predicate": needed}}
    none_needed = {"not_matcher": any_needed}
    source = {"inline_string": f"local SCOPES = {lua(own)}\n{_SCRIPT}"}
    matcher = {"predicate": none_needed, "on_match": _SKIP}
    config = typed(
        "envoy.extensions.common.matching.v3.ExtensionWithMatcher",
        extension_config={
            "name": "claims",
            "typed_config": typed(
                "envoy.extensions.filters.http.lua.v3.Lua", default_source_code=source
            ),
        },
        xds_matcher={"matcher_list": {"matchers": [matcher]}},
    )
    return {"name": CLAIMS_FILTER, "typed_config": config}


def _header(name: str, value: dict[str, Any]) -> dict[str, Any]:
    source = {
        "name": name,
        "typed_config": typed(
            "envoy.type.matcher.v3.HttpRequestHeaderMatchInput", header_name=name
        ),
    }
    return {"single_predicate": {"input": source, "value_match": value}}
