"""Removes the headers that claims of a verified token are mapped to from each request. Pure.

The token filter removes them where it checks a token, in the spelling that it sets. An operation
without security has no such check, and a backend may read `_` in a name as `-`. If no issuer maps a
claim, a filter that does nothing replaces it. It travels by ECDS.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from kapi.gateway.envoy.resources.names import typed
from kapi.gateway.envoy.resources.tokens.jwt import mappable
from kapi.gateway.issuers import TrustedIssuer
from kapi.policies.authentication import CLAIM_HEADERS_FILTER
from kapi.policies.contract import PLACEHOLDER


def claim_headers_filter(issuers: Sequence[TrustedIssuer]) -> dict[str, Any]:
    """The filter that puts claims into headers, as an ECDS resource."""
    names = {
        local.lower()
        for issuer in issuers
        for _, local in issuer.claim_mappings
        if mappable(local)
    }
    if not names:
        return {"name": CLAIM_HEADERS_FILTER, "typed_config": PLACEHOLDER}
    pattern = "|".join(
        re.sub(r"\\?[-_]", "[-_]", re.escape(name)) for name in sorted(names)
    )
    removal = {"remove_on_match": {"key_matcher": {"safe_regex": {"regex": pattern}}}}
    mutations = {"request_mutations": [removal]}
    config = typed(
        "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
        mutations=mutations,
    )
    return {"name": CLAIM_HEADERS_FILTER, "typed_config": config}
