"""The routes of one operation at one place: what the policies add to its requests. Pure.

The kind of API decides which requests are for the operation (`Requests`). One route is enough
unless endpoints of a kind differ in what Envoy has per route (path, timeouts, retries,
credentials). Then each group of equal endpoints gets a route of its own, and Envoy chooses among
them by the weights. For `rest/` and other kinds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field, replace
from typing import Any

from kapi.apis.header_rules import other_spellings
from kapi.apis.ir import ApiKeyCredential, BasicCredentials, Endpoint, Retry
from kapi.dataclass import dataclass
from kapi.gateway.envoy.resources.clusters import authority, cluster_name
from kapi.gateway.envoy.resources.context import RenderContext
from kapi.gateway.envoy.resources.edge_headers import removed_at_edge
from kapi.gateway.envoy.resources.names import typed
from kapi.gateway.envoy.resources.routes.paths import Rewrite
from kapi.policies import POLICIES, EnvoyRoute, Place
from kapi.policies.admission import planned
from kapi.policies.contract import literal_header

BACKEND_TIMEOUT = "60s"
_FRACTION = 1_000_000
_PARTS = tuple(
    (policy.name, policy.envoy, getattr(policy, "everywhere", None))
    for policy in POLICIES
)
"""Of each policy: its name, its part of a route, and its part of routes that do not use it."""
_CLUSTER = ("cluster", "host_rewrite_literal", "auto_host_rewrite", "weighted_clusters")
"""Fields of a route action that choose a cluster."""
_ELSEWHERE: dict[str, Any] = {
    "retry_host_predicate": [
        {
            "name": "envoy.retry_host_predicates.previous_hosts",
            "typed_config": typed(
                "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
            ),
        }
    ],
    "host_selection_retry_max_attempts": 5,
}
"""A retry goes to another of several hosts, if there is one."""
_RETRIED = ("retriable-status-codes", "connect-failure", "refused-stream")


@dataclass(frozen=True, slots=True)
class Requests:
    """The requests that are for an operation."""

    match: Mapping[str, Any]
    """Envoy's `RouteMatch`, without `headers`."""
    headers: tuple[dict[str, Any], ...]
    """Envoy's `HeaderMatcher`s."""
    rewrite: Callable[[str], Rewrite]
    """From the base path of a backend to the paths of the requests there."""


def operation_routes(
    place: Place, requests: Requests, context: RenderContext
) -> list[dict[str, Any]]:
    """The routes of an operation.

    Where a filter may choose the other kind of endpoints (production or sandbox), the routes to
    these come first.
    """
    parts = _parts(place)
    header = _other_kind_header(parts)
    routes = _shared(place, parts, requests, context)
    kind, endpoints = _other_kind(place)
    if not header or not endpoints:
        return routes
    chosen = {"name": header, "string_match": {"exact": kind}}
    of_kind = replace(requests, headers=(*requests.headers, chosen))
    others = replace(place, endpoints=endpoints)
    return [*_shared(others, _parts(others), of_kind, context), *routes]


def _other_kind_header(parts: Iterable[EnvoyRoute]) -> str:
    for part in parts:
        if part.other_kind_header:
            return part.other_kind_header
    return ""


def _other_kind(place: Place) -> tuple[str, tuple[Endpoint, ...]]:
    if place.sandbox:
        return "production", place.operation.production
    return "sandbox", place.operation.sandbox


def _shared(
    place: Place,
    parts: Sequence[EnvoyRoute],
    requests: Requests,
    context: RenderContext,
) -> list[dict[str, Any]]:
    """Routes with the same match but for the share of the requests they take."""
    groups = _groups(place, parts)
    total = sum(endpoint.weight for group in groups for endpoint in group)
    routes: list[dict[str, Any]] = []
    passed = 0
    for number, group in enumerate(groups):
        if group == place.endpoints:
            route = _route(place, parts, requests, context)
        else:
            alone = replace(place, endpoints=group)
            route = _route(alone, _parts(alone), requests, context)
        passed += sum(endpoint.weight for endpoint in group)
        if number < len(groups) - 1:
            # Envoy compares one random number of the request with each fraction in turn, so these
            # are sums.
            share = {
                "numerator": round(passed * _FRACTION / total),
                "denominator": "MILLION",
            }
            route["match"]["runtime_fraction"] = {"default_value": share}
        routes.append(route)
    return routes


def _route(
    place: Place,
    parts: Sequence[EnvoyRoute],
    requests: Requests,
    context: RenderContext,
) -> dict[str, Any]:
    for part in parts:
        if part.redirect:
            return {
                **_named(place, requests),
                "redirect": dict(part.redirect),
                **_additions(parts),
            }
    # For backends that write their own address; what the conf or a script sets by this name wins.
    prefix = EnvoyRoute(
        request_headers_to_add=[
            literal_header("x-forwarded-prefix", place.base_path, "ADD_IF_ABSENT")
        ]
    )
    return {
        **_named(place, requests),
        "route": _action(place, requests, parts, context),
        **_additions([*parts, prefix]),
    }


def _parts(place: Place) -> list[EnvoyRoute]:
    nodes = {node.policy: node for node in place.operation.policies}
    parts = []
    for name, envoy, everywhere in _PARTS:
        if name in nodes:
            parts.append(envoy(nodes[name], place))
        elif everywhere is not None:
            part = everywhere(place)
            if part:
                parts.append(part)
    return parts


def _named(place: Place, requests: Requests) -> dict[str, Any]:
    return {
        "name": f"{place.api.id}:{place.operation.verb}:{place.operation.target}",
        "match": {**requests.match, "headers": list(requests.headers)},
    }


def _groups(place: Place, parts: Iterable[EnvoyRoute]) -> list[tuple[Endpoint, ...]]:
    """The groups of endpoints that get a route each.

    Where a policy chooses the cluster, one route without what an endpoint alone is sent.
    """
    if any(part.target for part in parts):
        return [(replace(place.endpoint, base_path="", security=None, weight=1),)]
    return _alike(place.endpoints)


def _alike(endpoints: Sequence[Endpoint]) -> list[tuple[Endpoint, ...]]:
    """The endpoints that get requests, grouped by what must be the same within one route."""
    groups: dict[tuple[Any, ...], list[Endpoint]] = {}
    for item in endpoints:
        if item.weight:
            # Each endpoint with limits of its own is counted apart.
            limited = (
                (item.ai_limits, item.scheme, item.authority) if item.ai_limits else ()
            )
            traits = (
                item.base_path,
                item.response_timeout,
                item.idle_timeout,
                item.retry,
                item.security,
                limited,
            )
            groups.setdefault(traits, []).append(item)
    return list(map(tuple, groups.values()))


def _action(
    place: Place,
    requests: Requests,
    parts: Sequence[EnvoyRoute],
    context: RenderContext,
) -> dict[str, Any]:
    first = place.endpoint
    action: dict[str, Any] = {
        **_target(place),
        **_rewrite(requests.rewrite(first.base_path)),
        "timeout": BACKEND_TIMEOUT,
    }
    if first.response_timeout is not None:
        action["timeout"] = f"{first.response_timeout}s"
    if first.idle_timeout is not None:
        action["idle_timeout"] = f"{first.idle_timeout}s"
    if first.retry is not None:
        action["retry_policy"] = _retry_policy(first.retry)
        if first.pool is not None:
            action["retry_policy"] |= _ELSEWHERE
    mirrors: list[Endpoint] = []
    for part in parts:
        action |= part.action
        if part.target:
            action = {
                name: value for name, value in action.items() if name not in _CLUSTER
            }
            action |= part.target
        mirrors += part.mirrors
    if mirrors:
        action["request_mirror_policies"] = [
            _mirror(mirror, place, context) for mirror in mirrors
        ]
    return action


def _rewrite(path: Rewrite) -> dict[str, Any]:
    """A path that does not depend on the request's needs no regular expression."""
    if path.is_fixed:
        return {"prefix_rewrite": path.substitution}
    return {
        "regex_rewrite": {
            "pattern": {"regex": path.pattern},
            "substitution": path.substitution,
        }
    }


def _target(place: Place) -> dict[str, Any]:
    if place.endpoint.pool is not None:
        name = place.cluster(place.endpoint)
        return {"cluster": name, "auto_host_rewrite": True}
    targets = [
        {
            "name": place.cluster(item),
            "weight": item.weight,
            "host_rewrite_literal": authority(item),
        }
        for item in place.endpoints
    ]
    if len(targets) == 1:
        return {
            "cluster": targets[0]["name"],
            "host_rewrite_literal": targets[0]["host_rewrite_literal"],
        }
    return {"weighted_clusters": {"clusters": targets}}


def _mirror(endpoint: Endpoint, place: Place, context: RenderContext) -> dict[str, Any]:
    """A copy of the request, without the credentials that are meant for the endpoint alone."""
    name = cluster_name(endpoint, context, place.api.organization)
    mirror: dict[str, Any] = {
        "cluster": name,
        "host_rewrite_literal": authority(endpoint),
        "disable_shadow_host_suffix_append": True,
    }
    secret = _credential_header(place.endpoint)
    if secret:
        mirror["request_headers_mutations"] = [{"remove": secret}]
    return mirror


def _credential_header(endpoint: Endpoint) -> str:
    match endpoint.security:
        case BasicCredentials():
            return "authorization"
        case ApiKeyCredential("Header", parameter):
            return parameter.lower()
    return ""


def _of_envoy(grpc_status: str) -> str:
    """The condition of a retry by the name of a gRPC status."""
    return grpc_status.lower().replace("_", "-")


def _retry_policy(retry: Retry) -> dict[str, Any]:
    policy: dict[str, Any] = {
        "retry_on": ",".join((*_RETRIED, *map(_of_envoy, retry.grpc_statuses))),
        "num_retries": retry.count,
        "retriable_status_codes": list(retry.status_codes),
    }
    if retry.base_interval_millis:
        seconds = retry.base_interval_millis / 1000
        # Envoy takes a random time within the interval and doubles it with each attempt.
        policy["retry_back_off"] = {
            "base_interval": f"{seconds:.3f}s",
            "max_interval": f"{seconds * 10:.3f}s",
        }
    return policy


@dataclass(slots=True)
class _Additions:
    """What several policies add to a route, together."""

    filters: dict[str, Any] = field(default_factory=dict)
    """Per-route filter configurations by filter name."""
    replaced: dict[str, str] = field(default_factory=dict)
    """Names of filters, each with the one that takes its place."""
    route: dict[str, Any] = field(default_factory=dict)
    request_headers: list[dict[str, Any]] = field(default_factory=list)
    removed_from_requests: list[str] = field(default_factory=list)
    response_headers: list[dict[str, Any]] = field(default_factory=list)
    removed_from_responses: list[str] = field(default_factory=list)


def _additions(parts: Sequence[EnvoyRoute]) -> dict[str, Any]:
    """What the policies add around the action. Empty fields are left out."""
    found = _Additions()
    for part in parts:
        found.filters |= part.per_route
        found.replaced |= part.replaces
        found.route |= part.route
        found.request_headers += part.request_headers_to_add
        found.removed_from_requests += part.remove_request_headers
        found.response_headers += part.response_headers_to_add
        found.removed_from_responses += part.remove_response_headers
    metadata = _metadata(parts)
    fields: dict[str, Any] = {
        "typed_per_filter_config": {
            found.replaced.get(name, name): config
            for name, config in found.filters.items()
        },
        "request_headers_to_add": found.request_headers,
        "request_headers_to_remove": [*found.removed_from_requests, *_misspelt(parts)],
        "response_headers_to_add": found.response_headers,
        "response_headers_to_remove": found.removed_from_responses,
        "metadata": {"filter_metadata": metadata} if metadata else {},
        **found.route,
    }
    return {name: value for name, value in fields.items() if value}


def _metadata(parts: Sequence[EnvoyRoute]) -> dict[str, Mapping[str, Any]]:
    """Route metadata by filter. Policies may share a filter.

    Each policy has fields of its own, or the same value as another policy, or adds to a text
    between tabs.
    """
    merged: dict[str, dict[str, Any]] = {}
    for part in parts:
        for name, fields in part.metadata.items():
            known = merged.setdefault(name, {})
            for key, value in fields.items():
                if known.setdefault(key, value) != value:
                    known[key] = f"{known[key]}\t{value}"
    return planned(merged)


def _misspelt(parts: Sequence[EnvoyRoute]) -> list[str]:
    """Other spellings of headers that a route sets or removes.

    A backend that reads `_` as `-` would take these for the same header.
    """
    added: list[str] = []
    named: list[str] = []
    for part in parts:
        headers = filter(_sets, part.request_headers_to_add)
        added += [header["header"]["key"].lower() for header in headers]
        named += (*part.remove_request_headers, *part.sets_request_headers)
    names = dict.fromkeys((*added, *named))
    spellings: dict[str, None] = {}
    for name in names:
        if not removed_at_edge(name):
            spellings |= dict.fromkeys(other_spellings(name))
    found = []
    for spelling in spellings:
        if spelling not in names:
            found.append(spelling)
    return found


def _sets(header: dict[str, Any]) -> bool:
    """Whether a route sets the header in any case, also when the request has it."""
    return bool(header["append_action"] != "ADD_IF_ABSENT")
