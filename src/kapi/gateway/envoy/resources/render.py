"""IR → Envoy resources as plain dictionaries: one API, one scope, and what needs no API. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from kapi.apis.ir import Api
from kapi.apis.ir_contents import endpoints_in, filter_secrets_in
from kapi.gateway.envoy.resources.clusters import (
    backend_cluster,
    own_clusters,
    system_clusters,
)
from kapi.gateway.envoy.resources.context import RenderContext
from kapi.gateway.envoy.resources.listener import listeners
from kapi.gateway.envoy.resources.names import (
    CERTIFICATE,
    CLUSTER,
    EXTENSION,
    LISTENER,
    SECRET,
    credential_name,
)
from kapi.gateway.envoy.resources.on_demand import on_demand
from kapi.gateway.envoy.resources.routes.claim_headers import claim_headers_filter
from kapi.gateway.envoy.resources.routes.scopes import render_scope, segments
from kapi.gateway.envoy.resources.routes.system import system_routes
from kapi.gateway.envoy.resources.tokens.api_keys import credentials_filter
from kapi.gateway.envoy.resources.tokens.claims import claims_filter
from kapi.gateway.envoy.resources.tokens.deny_list import empty_deny_list
from kapi.gateway.envoy.resources.tokens.jwt import TokenCache, jwt_filter
from kapi.gateway.envoy.resources.tokens.token_checks import token_checks
from kapi.gateway.envoy.resources.tracing import trace_clusters
from kapi.gateway.issuers import TrustedIssuer
from kapi.policies.authentication.trust import Need
from kapi.policies.mediation.interceptor import settings_endpoints

__all__ = [
    "render_api",
    "render_backends",
    "render_base",
    "render_credentials",
    "render_issuers",
    "render_scope",
    "segments",
    "system_segments",
]


def render_base(
    context: RenderContext,
    issuers: Sequence[TrustedIssuer],
    certificate: str,
    private_key: str,
    needs: Iterable[Need] = (),
    used: frozenset[str] = frozenset(),
) -> tuple[tuple[str, dict[str, Any]], ...]:
    """(type, resource) of everything that does not depend on a single API.

    `needs` are the token requirements of the routes, `used` the filters on demand that they use.
    """
    pair = {
        "certificate_chain": {"inline_string": certificate},
        "private_key": {"inline_string": private_key},
    }
    interceptors = settings_endpoints(context.gateway.interceptors)
    by_type: dict[str, tuple[dict[str, Any], ...]] = {
        CLUSTER: (
            *system_clusters(context),
            *own_clusters(interceptors, context),
            *trace_clusters(context),
        ),
        SECRET: ({"name": CERTIFICATE, "tls_certificate": pair},),
        EXTENSION: (
            *render_issuers(context, issuers, needs),
            credentials_filter(),
            empty_deny_list(),
        ),
        LISTENER: (*listeners(context),),
    }
    typed = [(type_url, item) for type_url, items in by_type.items() for item in items]
    return (*typed, *on_demand(context, used))


def render_issuers(
    context: RenderContext, issuers: Sequence[TrustedIssuer], needs: Iterable[Need]
) -> tuple[dict[str, Any], ...]:
    """Whose tokens are accepted, and where."""
    gateway = context.gateway
    return (
        jwt_filter(
            issuers,
            TokenCache(
                gateway.token_cache_size, gateway.token_cache_bytes, context.threads
            ),
            needs,
        ),
        claim_headers_filter(issuers),
        claims_filter(issuers),
        token_checks(issuers, gateway.domains),
    )


def render_backends(
    apis: Iterable[Api], context: RenderContext
) -> tuple[dict[str, Any], ...]:
    """The clusters of these APIs, each once, by name."""
    owned = {
        (api.organization, endpoint)
        for api in apis
        for endpoint in endpoints_in(api.operations)
        if endpoint.weight
    }
    clusters: dict[str, dict[str, Any]] = {}
    for owner, endpoint in owned:
        cluster = backend_cluster(endpoint, context, owner)
        clusters[cluster["name"]] = cluster
    return tuple(clusters[name] for name in sorted(clusters))


def render_credentials(
    apis: Iterable[Api], context: RenderContext
) -> tuple[dict[str, Any], ...]:
    """The secrets that filters on the routes of these APIs get, each once, by name."""
    found: dict[str, str] = {}
    for api in apis:
        for item in filter_secrets_in(api.operations):
            value = context.secrets.get(api.organization, item.secret)
            name = credential_name(
                (api.organization, item.secret.name, item.secret.key)
            )
            found[name] = value or ""
    return tuple(
        {"name": name, "generic_secret": {"secret": {"inline_string": found[name]}}}
        for name in sorted(found)
    )


def system_segments(context: RenderContext) -> tuple[str, ...]:
    """The scopes that exist without any API."""
    return tuple(dict.fromkeys(route.segment for route in system_routes(context)))


def render_api(api: Api, context: RenderContext) -> dict[str, Any]:
    """One API alone: its clusters and its scopes, as `kapi export --to envoy` shows them."""
    scopes = (
        render_scope(segment, (api,), context) for segment in sorted(segments(api))
    )
    return {
        "clusters": list(render_backends((api,), context)),
        "scopes": list(filter(None, scopes)),
    }
