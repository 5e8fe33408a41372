"""What is enforced.

One policy = one file (its parameters, its node, its Envoy and Kubernetes parts) and one name in
POLICIES. `apis.compile` asks each policy for its node; the renderers ask it what the node means
to Envoy, and to Gateway API.
Pure: no I/O.
"""

from __future__ import annotations

from kapi.policies import (
    authentication,
    backend_jwt,
    cors,
    endpoint_security,
    guardrails,
    headers,
    public_address,
    streams,
)
from kapi.policies.ai import models as ai_models
from kapi.policies.ai import rate_limit as ai_rate_limit
from kapi.policies.ai import usage as ai_usage
from kapi.policies.callers import (
    basic_authentication,
    browser_sign_in,
    external_authorization,
    ip_restriction,
    revocation,
    scopes,
    subscriptions,
)
from kapi.policies.contract import EnvoyRoute, HttpFilter, Phase, Place
from kapi.policies.kinds import graphql, grpc, mcp, mcp_tools
from kapi.policies.limits import limit_keys, rate_limit
from kapi.policies.mediation import interceptor, lua_scripts, wasm_modules
from kapi.policies.policy import Policy
from kapi.policies.traffic import (
    compression,
    fault_injection,
    load_balancing,
    mirror,
    mock,
    redirect,
    request_validation,
    response_cache,
    url_rewrite,
    xml,
)

POLICIES: tuple[Policy, ...] = (
    compression,
    cors,
    ip_restriction,
    browser_sign_in,
    authentication,
    basic_authentication,
    revocation,
    scopes,
    subscriptions,
    external_authorization,
    request_validation,
    guardrails,
    rate_limit,
    graphql,
    mcp,
    mcp_tools,
    ai_rate_limit,
    ai_models,
    ai_usage,
    streams,
    response_cache,
    fault_injection,
    mock,
    backend_jwt,
    interceptor,
    wasm_modules,
    limit_keys,
    endpoint_security,
    lua_scripts,
    xml,
    public_address,
    grpc,
    headers,
    url_rewrite,
    load_balancing,
    mirror,
    redirect,
)
"""In the order of their phases."""


def http_filters() -> tuple[HttpFilter, ...]:
    """The filters of all policies, each once, in the order in which they act."""
    named = {item.name: item for policy in POLICIES for item in policy.filters}
    return tuple(sorted(named.values(), key=lambda item: item.phase))


__all__ = [
    "POLICIES",
    "EnvoyRoute",
    "HttpFilter",
    "Phase",
    "Place",
    "Policy",
    "http_filters",
]
