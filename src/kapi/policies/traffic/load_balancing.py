"""Several endpoints as one backend (kapi's own field `loadBalancing`).

Without it, each call goes to an endpoint by the weights, whether that answers or not. With it, the
endpoints of a list are the hosts of one cluster of Envoy: how one is chosen, which calls stay with
one, health checks, outlier detection, and endpoints that are for when others fail.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Final

from kapi.apis.balancing import (
    Balancing,
    HashKey,
    HealthCheck,
    Member,
    OutlierDetection,
)
from kapi.apis.model.conf import ApiConf, OperationConf
from kapi.dataclass import dataclass
from kapi.policies.contract import EnvoyRoute, HttpFilter, Phase, Place
from kapi.policies.kubernetes import KubernetesPlace, KubernetesRoute, NotPossible
from kapi.policies.traffic import load_balancing_conf

name = "load_balancing"
phase = Phase.TRANSFORM
filters: tuple[HttpFilter, ...] = ()
conf_part = load_balancing_conf.conf_part

_LB_POLICIES: Final = {
    "roundRobin": "ROUND_ROBIN",
    "leastRequest": "LEAST_REQUEST",
    "random": "RANDOM",
    "ringHash": "RING_HASH",
    "maglev": "MAGLEV",
}
_ON_KUBERNETES: Final = {
    "roundRobin": "RoundRobin",
    "leastRequest": "LeastRequest",
    "random": "Random",
    "maglev": "ConsistentHash",
}
_TABLE: Final = 5003
"""Entries of Maglev's table: a prime, about a hundred for each of 50 endpoints."""
_LARGEST_RING: Final = 16_384
_PANIC: Final = 1
"""Percent of healthy endpoints below which all get calls: none of up to 50 is healthy."""
_COOKIE_ATTRIBUTES: Final = (
    {"name": "Secure"},
    {"name": "HttpOnly"},
    {"name": "SameSite", "value": "Lax"},
)


@dataclass(frozen=True, slots=True)
class LoadBalancing:
    """How an endpoint of an operation is chosen. The endpoints are those of the operation."""

    policy: ClassVar[str] = name
    balancing: Balancing


def compile(conf: ApiConf, operation: OperationConf) -> LoadBalancing | None:
    """The field of the operation, or that of the API."""
    balancing = conf.balancing_of(operation)
    if balancing is None:
        return None
    return LoadBalancing(balancing)


def envoy(node: LoadBalancing, place: Place) -> EnvoyRoute:  # noqa: ARG001 - the policy contract
    """What of a call chooses the endpoint; the cluster has the rest (`cluster_fields`)."""
    key = node.balancing.key
    if key is None:
        return EnvoyRoute()
    return EnvoyRoute(action={"hash_policy": [_hash_policy(key)]})


def _hash_policy(key: HashKey) -> dict[str, Any]:
    if key.header:
        return {"header": {"header_name": key.header}}
    if key.cookie:
        attributes = list(_COOKIE_ATTRIBUTES)
        # A cookie of this session; without a time to live Envoy would not set it.
        cookie = {
            "name": key.cookie,
            "ttl": "0s",
            "path": "/",
            "attributes": attributes,
        }
        return {"cookie": cookie}
    return {"connection_properties": {"source_ip": True}}


def cluster_fields(balancing: Balancing, *, grpc: bool) -> dict[str, Any]:
    """Fields of the cluster of endpoints that are balanced so."""
    common: dict[str, Any] = {"healthy_panic_threshold": {"value": _PANIC}}
    fields: dict[str, Any] = {
        "lb_policy": _LB_POLICIES[balancing.kind],
        "common_lb_config": common,
    }
    if balancing.kind == "maglev":
        fields["maglev_lb_config"] = {"table_size": _TABLE}
    if balancing.kind == "ringHash":
        fields["ring_hash_lb_config"] = {"maximum_ring_size": _LARGEST_RING}
    if balancing.health is not None:
        fields["health_checks"] = [_health_check(balancing.health, grpc=grpc)]
        # A host that DNS no longer names gets no calls, also while its checks succeed.
        fields["ignore_health_on_host_removal"] = True
    if balancing.outliers is not None:
        fields["outlier_detection"] = _outlier_detection(balancing.outliers)
    return fields


def _health_check(check: HealthCheck, *, grpc: bool) -> dict[str, Any]:
    made: dict[str, Any] = {
        "timeout": f"{check.timeout}s",
        "interval": f"{check.interval}s",
        # Endpoints without calls are checked as often as the others.
        "no_traffic_interval": f"{check.interval}s",
        "unhealthy_threshold": check.unhealthy_threshold,
        "healthy_threshold": check.healthy_threshold,
    }
    if grpc:
        service = {"service_name": check.service} if check.service else {}
        return made | {"grpc_health_check": service}
    statuses = [{"start": item, "end": item + 1} for item in check.statuses]
    return made | {
        "http_health_check": {"path": check.path, "expected_statuses": statuses}
    }


def _outlier_detection(outliers: OutlierDetection) -> dict[str, Any]:
    return {
        "consecutive_gateway_failure": outliers.gateway_errors,
        "enforcing_consecutive_gateway_failure": 100,
        "consecutive_5xx": outliers.server_errors or outliers.gateway_errors,
        "enforcing_consecutive_5xx": 100 if outliers.server_errors else 0,
        "enforcing_success_rate": 0,
        "interval": f"{outliers.interval}s",
        "base_ejection_time": f"{outliers.ejection}s",
        "max_ejection_time": f"{outliers.ejection * 10}s",
        "max_ejection_percent": outliers.most_percent,
        "always_eject_one_host": True,
    }


def kubernetes(node: LoadBalancing, at: KubernetesPlace) -> KubernetesRoute:
    """`loadBalancer` and `healthCheck` of a BackendTrafficPolicy."""
    balancing = node.balancing
    if balancing.kind not in _ON_KUBERNETES:
        faults = (
            NotPossible("the load balancing of the kind ringHash", "Write maglev."),
        )
        return KubernetesRoute(not_possible=faults)
    balancer: dict[str, Any] = {"type": _ON_KUBERNETES[balancing.kind]}
    if balancing.key is not None:
        balancer["consistentHash"] = _consistent_hash(balancing.key)
    checks: dict[str, Any] = {"panicThreshold": _PANIC}
    if balancing.health is not None:
        checks["active"] = _active(balancing.health, grpc=at.place.endpoint.http2)
    if balancing.outliers is not None:
        checks["passive"] = _passive(balancing.outliers)
    traffic = {"loadBalancer": balancer, "healthCheck": checks}
    return KubernetesRoute(traffic=traffic, not_possible=tuple(_too_many_levels(at)))


def _too_many_levels(at: KubernetesPlace) -> Iterator[NotPossible]:
    members: tuple[Member, ...] = ()
    for endpoint in at.place.endpoints:
        if endpoint.pool is not None:
            members += endpoint.pool.members
    if max((item.priority for item in members), default=0) > 1:
        yield NotPossible("endpoints of more than two priorities", "Use two of them.")


def _consistent_hash(key: HashKey) -> dict[str, Any]:
    made: dict[str, Any] = {"tableSize": _TABLE}
    if key.header:
        return made | {"type": "Header", "header": {"name": key.header}}
    if key.cookie:
        attributes = {
            item["name"]: item.get("value", "") for item in _COOKIE_ATTRIBUTES
        }
        cookie = {"name": key.cookie, "ttl": "0s", "attributes": attributes}
        return made | {"type": "Cookie", "cookie": cookie}
    return made | {"type": "SourceIP"}


def _active(check: HealthCheck, *, grpc: bool) -> dict[str, Any]:
    made: dict[str, Any] = {
        "timeout": f"{check.timeout}s",
        "interval": f"{check.interval}s",
        "unhealthyThreshold": check.unhealthy_threshold,
        "healthyThreshold": check.healthy_threshold,
    }
    if grpc:
        service = {"service": check.service} if check.service else {}
        return made | {"type": "GRPC", "grpc": service}
    http = {
        "path": check.path,
        "method": "GET",
        "expectedStatuses": list(check.statuses),
    }
    return made | {"type": "HTTP", "http": http}


def _passive(outliers: OutlierDetection) -> dict[str, Any]:
    made = {
        "consecutiveGatewayErrors": outliers.gateway_errors,
        "interval": f"{outliers.interval}s",
        "baseEjectionTime": f"{outliers.ejection}s",
        "maxEjectionPercent": outliers.most_percent,
    }
    # Envoy Gateway counts five of them where nothing is said.
    return made | {"consecutive5XxErrors": outliers.server_errors or 2**31 - 1}
