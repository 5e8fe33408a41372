"""Scopes: one ScopedRouteConfiguration for each first path segment, with all its routes. Pure.

Closed by default: the virtual host of an organization names a requirement that nothing meets; each
route names its own, or none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import Any

from kapi.apis.ir import (
    Api,
    Endpoint,
    Operation,
    SecretRef,
    endpoints_on,
    is_at_host,
    path_at,
)
from kapi.apis.ir_contents import secret_refs
from kapi.dataclass import dataclass
from kapi.gateway.envoy.resources.clusters import cluster_name, own_cluster_name
from kapi.gateway.envoy.resources.context import RenderContext
from kapi.gateway.envoy.resources.edge_headers import public_address
from kapi.gateway.envoy.resources.http3 import alternative_service
from kapi.gateway.envoy.resources.logs.access_log import labelled
from kapi.gateway.envoy.resources.names import (
    ADS,
    IDENTITY,
    JWT_FILTER,
    credential_name,
    secret_id,
)
from kapi.gateway.envoy.resources.routes.definitions import LARGEST_IN_ENVOY
from kapi.gateway.envoy.resources.routes.kinds import ROUTES
from kapi.gateway.envoy.resources.routes.paths import first_segment, match_pattern
from kapi.gateway.envoy.resources.routes.slashes import (
    other_slashes,
    slash_routes,
    slashes_of_host,
)
from kapi.gateway.envoy.resources.routes.system import ROOT, SystemRoute, system_routes
from kapi.gateway.envoy.resources.routes.version_aliases import alias_of, aliases
from kapi.policies import Place
from kapi.policies.authentication import CLOSED, PER_ROUTE
from kapi.policies.authentication.trust import OWN_HEADERS
from kapi.policies.authentication.unchecked import answered_here, no_token
from kapi.policies.contract import ProviderPlace
from kapi.settings import GatewaySettings

SYSTEM_TIMEOUT = "60s"
CERTIFICATE_HEADER = "x-kapi-client-certificate"
"""Read by `identity/possession/certificates.py`.

The edge removes what clients send by this name.
"""
_CLOSED = {JWT_FILTER: {"@type": PER_ROUTE, "requirement_name": CLOSED}}


@dataclass(frozen=True, slots=True)
class _Part:
    """An API below one base path on one host, with its operations there."""

    api: Api
    base_path: str
    placed: Sequence[Place]


def segments(api: Api, *, version_routing: bool = False) -> frozenset[str]:
    """The first path segments of an API. An empty one cannot be routed: the root or a parameter.

    With `version_routing` also those where a newest version answers, whichever it is.
    """
    bases = [base.rstrip("/") for base in api.base_paths]
    alias = alias_of(api)
    if version_routing and alias is not None:
        bases.append(alias)
    paths = [path_at(operation, base) for base in bases for operation in api.operations]
    if api.definition is not None:
        paths += [base + api.definition.path for base in bases]
    return frozenset(map(first_segment, paths))


def render_scope(
    segment: str, apis: Iterable[Api], context: RenderContext
) -> dict[str, Any] | None:
    """All routes below `/segment`, or None; the same for any order of `apis`."""
    apis = sorted(apis, key=lambda api: api.id)
    virtual_hosts = [
        *_system_hosts(segment, context),
        *_api_hosts(segment, apis, context),
    ]
    if not virtual_hosts:
        return None
    # A resource needs a name.
    name = segment or "/"
    routes: dict[str, Any] = {
        "name": name,
        "virtual_hosts": virtual_hosts,
        "request_headers_to_remove": [*OWN_HEADERS, "x-envoy-external-address"],
        "response_headers_to_remove": ["server"],
        "max_direct_response_body_size_bytes": LARGEST_IN_ENVOY,
    }
    added = alternative_service(context.gateway)
    if added:
        routes["response_headers_to_add"] = added
    used = _secret_ids(apis)
    if used:
        routes["metadata"] = {"filter_metadata": {"kapi": {"secrets": used}}}
    return {
        "name": name,
        "key": {"fragments": [{"string_key": segment}]},
        "route_configuration": routes,
    }


def _system_hosts(segment: str, context: RenderContext) -> list[dict[str, Any]]:
    # Of several routes of a host, the first one counts.
    by_host: dict[str, SystemRoute] = {}
    for route in system_routes(context):
        if route.segment == segment:
            by_host.setdefault(route.host, route)
    return [_system_host(by_host[host], context.gateway) for host in sorted(by_host)]


def _api_hosts(
    segment: str, apis: Sequence[Api], context: RenderContext
) -> list[dict[str, Any]]:
    hosts: dict[str, list[_Part]] = {}
    more = aliases(apis) if context.gateway.version_routing else {}
    for api in apis:
        base_paths = api.base_paths
        if api.id in more:
            base_paths = (*base_paths, more[api.id])
        for host, part in _parts(api, segment, base_paths, context):
            hosts.setdefault(host, []).append(part)
    # No API gets a system host: an organization of that name would take it over otherwise.
    system = {route.host for route in system_routes(context)}
    found = []
    for host in sorted(hosts):
        names = []
        for name in context.gateway.names_of(host):
            if name not in system:
                names.append(name)
        if host in names:
            found.append(_api_host(names, hosts[host], context))
    return found


def _secret_ids(apis: Iterable[Api]) -> list[str]:
    """The ids of the secrets that these APIs name."""
    used: set[str] = set()
    for api in apis:
        for ref in secret_refs(api.operations):
            used.add(secret_id((api.organization, ref.name, ref.key)))
    return sorted(used)


def _parts(
    api: Api, segment: str, base_paths: Sequence[str], context: RenderContext
) -> Iterator[tuple[str, _Part]]:
    """The parts of an API in one segment, each with its host.

    A host has the operations with endpoints of its kind, and the definition if it has any.
    """

    @cache
    def cluster(endpoint: Endpoint) -> str:
        return cluster_name(endpoint, context, api.organization)

    for base_path in base_paths:
        base = base_path.rstrip("/")
        has_definition = _has_definition(api, base, segment)
        here = _operations(api, base_path, segment)
        for sandbox in (False, True):
            host = context.host(api.organization, api.environment, sandbox=sandbox)
            placed = []
            for operation in here:
                if endpoints_on(operation, sandbox=sandbox):
                    at = (host, base, context, cluster)
                    placed.append(_place(api, operation, *at, sandbox=sandbox))
            if placed or (has_definition and _is_on_host(api, sandbox=sandbox)):
                yield host, _Part(api, base, placed)


def _operations(api: Api, base_path: str, segment: str) -> list[Operation]:
    """The operations of a segment; those at a host are below the first base path only."""
    base = base_path.rstrip("/")
    here = []
    for item in api.operations:
        if first_segment(path_at(item, base)) == segment:
            here.append(item)
    if base_path == api.base_path:
        return here
    found = []
    for item in here:
        if not is_at_host(item):
            found.append(item)
    return found


def _has_definition(api: Api, base: str, segment: str) -> bool:
    if api.definition is None:
        return False
    return first_segment(base + api.definition.path) == segment


def _is_on_host(api: Api, *, sandbox: bool) -> bool:
    return any(endpoints_on(operation, sandbox=sandbox) for operation in api.operations)


def _place(
    api: Api,
    operation: Operation,
    host: str,
    base_path: str,
    context: RenderContext,
    cluster: Callable[[Endpoint], str],
    *,
    sandbox: bool,
) -> Place:
    def own_cluster(endpoint: Endpoint) -> str:
        return own_cluster_name(endpoint, context)

    def credential(ref: SecretRef) -> dict[str, Any]:
        name = credential_name((api.organization, ref.name, ref.key))
        return {"name": name, "sds_config": ADS}

    of_context = (
        context.secrets,
        context.gateway,
        cluster,
        own_cluster,
        context.subscriptions,
    )
    more = (*of_context, credential, _provider(context))
    endpoints = endpoints_on(operation, sandbox=sandbox)
    return Place(api, operation, endpoints, host, base_path, sandbox, *more)


def _provider(context: RenderContext) -> ProviderPlace | None:
    if context.provider.enabled:
        return ProviderPlace(context.provider.hosts, IDENTITY)
    return None


def _api_host(
    names: Sequence[str], parts: Sequence[_Part], context: RenderContext
) -> dict[str, Any]:
    """`names` are those of the host, the configured one first."""
    bases = {part.base_path for part in parts}
    apis = {part.api.id: part.api for part in parts}
    slashes = slashes_of_host(apis.values(), context.gateway)
    routes: list[dict[str, Any]] = []
    # The longest base path first: `/petstore/1.0.0/pets` is not `{x}/pets` of the default version
    # at `/petstore`.
    for part in sorted(parts, key=lambda part: (-len(part.base_path), part.base_path)):
        routes += _routes_of(part, context, own_slashes=slashes.by_api)
        if any(part.base_path.startswith(other + "/") for other in bases):
            routes.append(_nothing_else_below(part.base_path))
    first = slashes.first
    if len(apis) == 1:
        first = _labelled(first, parts[0].api, context)
    return {
        "name": names[0],
        "domains": names,
        "routes": [*first, *routes, *slashes.last],
        "request_headers_to_add": public_address(names, context.gateway),
        "typed_per_filter_config": _CLOSED,
    }


def _routes_of(
    part: _Part, context: RenderContext, *, own_slashes: bool
) -> Sequence[dict[str, Any]]:
    """The routes of an API below a base path; `own_slashes`: escaped slashes as it says, too."""
    routes = list(ROUTES[part.api.type](part.api, part.base_path, part.placed, context))
    if own_slashes:
        routes = [*slash_routes(part.api, part.base_path, context.gateway), *routes]
    return _labelled(routes, part.api, context)


def _labelled(
    routes: list[dict[str, Any]], api: Api, context: RenderContext
) -> list[dict[str, Any]]:
    """The routes, with their API and operation if the log or spans need them."""
    spans = bool(context.traces.endpoint)
    if context.access_log or spans:
        return labelled(routes, api, spans=spans)
    return routes


def _nothing_else_below(base_path: str) -> dict[str, Any]:
    """404 for other paths: they must not match the wildcard of another API's shorter base path."""
    return {
        "match": {"safe_regex": {"regex": match_pattern(base_path, "/*")}},
        "direct_response": {"status": 404},
        "typed_per_filter_config": answered_here(),
    }


_CALLER_HEADERS = {
    CERTIFICATE_HEADER: "%DOWNSTREAM_PEER_CERT%",
    "x-forwarded-for": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
}


def _system_host(system: SystemRoute, gateway: GatewaySettings) -> dict[str, Any]:
    """Routes to our own processes, which check callers themselves.

    They get the client's certificate (RFC 8705) and its address in headers. Envoy's own
    X-Forwarded-For ends with the address of this machine if the caller is on it too.
    """
    to_process = {
        "route": {"cluster": system.cluster, "timeout": SYSTEM_TIMEOUT},
        "typed_per_filter_config": no_token(),
    }
    matches: list[dict[str, Any]] = [
        {"path_separated_prefix": f"/{system.segment}{system.below}"}
    ]
    if system.segment == ROOT:
        matches = _home_matches(system)
    routes = [
        other_slashes(gateway),
        *({"match": match, **to_process} for match in matches),
    ]
    told = []
    for name, value in _CALLER_HEADERS.items():
        header = {"key": name, "value": value}
        told.append({"header": header, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"})
    return {
        "name": system.host,
        "domains": [system.host],
        "routes": routes,
        "request_headers_to_add": told,
    }


def _home_matches(system: SystemRoute) -> list[dict[str, Any]]:
    """Requests for the page at `/`, by their Accept header (RFC 9110 §12.5.1); not for JSON."""
    read = {"name": ":method", "string_match": {"safe_regex": {"regex": "GET|HEAD"}}}
    page = {
        "name": "accept",
        "string_match": {"contains": "text/html", "ignore_case": True},
    }
    json = {"name": "accept", "string_match": {"contains": "json", "ignore_case": True}}
    anything_else = {
        **json,
        "invert_match": True,
        "treat_missing_header_as_empty": True,
    }
    wanted = [page] if system.browsers_only else [page, anything_else]
    return [{"path": "/", "headers": [read, accept]} for accept in wanted]
