"""Backends and our own processes as Envoy clusters. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from typing import Any

from kapi.apis.balancing import Member
from kapi.apis.ir import CircuitBreaker, Endpoint
from kapi.gateway.envoy.resources.context import RenderContext
from kapi.gateway.envoy.resources.models import model_filters
from kapi.gateway.envoy.resources.names import (
    CONTROL,
    IDENTITY,
    LIMITS,
    REJECTED_TOKENS,
    backend_name,
    typed,
)
from kapi.policies.admission import MODULE
from kapi.policies.traffic.load_balancing import cluster_fields
from kapi.settings import GatewaySettings

CONNECT_TIMEOUT = "20s"
NO_HOST = "unknown-secret.invalid"
_PROTOCOLS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_HTTP2 = {
    "typed_extension_protocol_options": {
        _PROTOCOLS: typed(
            _PROTOCOLS, explicit_http_config={"http2_protocol_options": {}}
        )
    }
}
TLS_BY_HOST = "envoy.transport_socket_match"
DEFAULT_PORTS = {"http": 80, "https": 443}


def authority(endpoint: Endpoint) -> str:
    """The Host header that the backend expects."""
    host = endpoint.host
    if ":" in endpoint.host:
        host = f"[{endpoint.host}]"
    if DEFAULT_PORTS.get(endpoint.scheme) == endpoint.port:
        return host
    return f"{host}:{endpoint.port}"


def cluster_name(endpoint: Endpoint, context: RenderContext, organization: str) -> str:
    """Endpoints that differ in their path only share a cluster."""
    # Where the module is installed does not change the name.
    return backend_name(_content(endpoint, context, organization, module=""))


def own_cluster_name(endpoint: Endpoint, context: RenderContext) -> str:
    """For an endpoint of the settings: a name that no API's routes keep alive or take away."""
    return cluster_name(endpoint, context, context.organization).replace(
        "backend_", "own_", 1
    )


def own_clusters(
    endpoints: Iterable[Endpoint], context: RenderContext
) -> tuple[dict[str, Any], ...]:
    """The clusters of the endpoints that the settings name, each once."""
    clusters = {}
    for endpoint in endpoints:
        name = own_cluster_name(endpoint, context)
        content = _content(endpoint, context, context.organization)
        content["load_assignment"]["cluster_name"] = name
        clusters[name] = {"name": name, **content}
    return tuple(clusters.values())


def backend_cluster(
    endpoint: Endpoint, context: RenderContext, organization: str
) -> dict[str, Any]:
    """The cluster of one backend, named after its content.

    The endpoint names secrets of `organization`.
    """
    name = cluster_name(endpoint, context, organization)
    content = _content(endpoint, context, organization)
    content["load_assignment"]["cluster_name"] = name
    return {"name": name, **content}


def _discovery(places: Sequence[tuple[str, int]]) -> str:
    """How Envoy finds the addresses of a cluster."""
    if all(is_ip(address) for address, _ in places):
        return "STATIC"
    return "STRICT_DNS"


def _content(
    endpoint: Endpoint,
    context: RenderContext,
    organization: str,
    *,
    module: str = MODULE,
) -> dict[str, Any]:
    places = [backend_address(item, context.gateway) for item in endpoint.addresses]
    thresholds = _thresholds(endpoint, context.gateway.max_connections)
    cluster: dict[str, Any] = {
        "connect_timeout": CONNECT_TIMEOUT,
        "type": _discovery(places),
        "load_assignment": _members("", [_socket(*place) for place in places]),
        "circuit_breakers": {"thresholds": [thresholds]},
    }
    if cluster["type"] == "STRICT_DNS":
        cluster |= {"dns_lookup_family": "V4_PREFERRED", "respect_dns_ttl": True}
    if endpoint.scheme == "https":
        trusted = _trusted(endpoint, context, organization)
        cluster["transport_socket"] = _tls(*trusted, http2=endpoint.http2)
    if endpoint.pool is not None:
        cluster |= cluster_fields(endpoint.pool.balancing, grpc=endpoint.http2)
        cluster["load_assignment"] = _pool(endpoint.pool.members, endpoint, places)
        if endpoint.scheme == "https":
            del cluster["transport_socket"]
            cluster["transport_socket_matches"] = _tls_of_each(
                endpoint, context, organization
            )
    if endpoint.http2:
        cluster |= _HTTP2
    filters = model_filters(endpoint, context, organization, module)
    if filters:
        protocol = "http_protocol_options"
        if endpoint.http2:
            protocol = "http2_protocol_options"
        options = typed(
            _PROTOCOLS, explicit_http_config={protocol: {}}, http_filters=filters
        )
        cluster["typed_extension_protocol_options"] = {_PROTOCOLS: options}
    return cluster


def _socket(address: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": address, "port_value": port}}


def _pool(
    members: Sequence[Member], endpoint: Endpoint, places: Sequence[tuple[str, int]]
) -> dict[str, Any]:
    """The hosts of a pool by their priorities; each with the Host header that it expects."""
    levels: dict[int, list[dict[str, Any]]] = {}
    for member, item, place in zip(members, endpoint.addresses, places, strict=True):
        host = authority(item)
        made: dict[str, Any] = {
            "endpoint": {
                "address": _socket(*place),
                "hostname": host,
                "health_check_config": {"hostname": host},
            },
            "load_balancing_weight": member.weight,
        }
        if endpoint.scheme == "https":
            made["metadata"] = {"filter_metadata": {TLS_BY_HOST: {"host": item.host}}}
        levels.setdefault(member.priority, []).append(made)
    groups = [
        {"priority": level, "lb_endpoints": levels[level]} for level in sorted(levels)
    ]
    return {"cluster_name": "", "endpoints": groups}


def _tls_of_each(
    endpoint: Endpoint, context: RenderContext, organization: str
) -> list[dict[str, Any]]:
    """TLS for each host of a pool, which must prove its own name."""
    found = {}
    for item in endpoint.addresses:
        socket = _tls(*_trusted(item, context, organization), http2=endpoint.http2)
        found[item.host] = {"name": item.host, "match": {"host": item.host}}
        found[item.host]["transport_socket"] = socket
    return list(found.values())


def _thresholds(endpoint: Endpoint, limit: int) -> dict[str, int]:
    """The conf's numbers one to one; what it leaves open is as wide as the gateway itself."""
    asked = endpoint.circuit_breaker or CircuitBreaker()
    # Envoy lets three retries run at once, which an API that asks for retries outgrows under load.
    usual = {
        "max_connections": limit,
        "max_pending_requests": limit,
        "max_requests": limit,
    }
    if endpoint.retry or endpoint.model:
        usual["max_retries"] = limit
    given = {
        "max_connection_pools": asked.max_connection_pools,
        "max_connections": asked.max_connections,
        "max_pending_requests": asked.max_pending_requests,
        "max_requests": asked.max_requests,
        "max_retries": asked.max_retries,
    }
    return usual | {name: value for name, value in given.items() if value is not None}


def system_clusters(context: RenderContext) -> tuple[dict[str, Any], ...]:
    """The identity workers and the control process, over their Unix sockets."""
    clusters = [_pipes(CONTROL, (context.control_socket,))]
    if context.identity_sockets:
        clusters.insert(0, _pipes(IDENTITY, context.identity_sockets))
    if context.rejected_tokens_socket:
        clusters.append(_grpc(REJECTED_TOKENS, context.rejected_tokens_socket))
    if context.shared_limits:
        clusters.append(_pipes(LIMITS, (context.shared_limits.socket,)))
    return tuple(clusters)


def _grpc(name: str, socket: str) -> dict[str, Any]:
    return {**_pipes(name, (socket,)), **_HTTP2}


def _pipes(name: str, sockets: tuple[str, ...]) -> dict[str, Any]:
    members = _members(name, [{"pipe": {"path": path}} for path in sockets])
    return {
        "name": name,
        "connect_timeout": "5s",
        "type": "STATIC",
        "load_assignment": members,
    }


def _members(name: str, addresses: list[dict[str, Any]]) -> dict[str, Any]:
    endpoints = [{"endpoint": {"address": address}} for address in addresses]
    return {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]}


def backend_address(endpoint: Endpoint, gateway: GatewaySettings) -> tuple[str, int]:
    """Where the backend really is: `gateway.hosts` may say otherwise than DNS."""
    hosts = gateway.hosts
    mapped = hosts.get(f"{endpoint.host}:{endpoint.port}") or hosts.get(endpoint.host)
    if mapped is None:
        return endpoint.host.strip("[]"), endpoint.port
    if is_ip(mapped.strip("[]")):
        return mapped.strip("[]"), endpoint.port
    address, colon, port = mapped.rpartition(":")
    if colon:
        return (address.strip("[]"), int(port))
    return (mapped, endpoint.port)


def is_ip(address: str) -> bool:
    """Whether a host is an IP address."""
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return False
    return True


def _trusted(
    endpoint: Endpoint, context: RenderContext, organization: str
) -> tuple[str, dict[str, str]]:
    """The name that the backend must prove, and the trusted authorities.

    These are the ones that the conf names, else those of the system.
    """
    if endpoint.certificate is None:
        return endpoint.host, {"filename": context.ca_file}
    authorities = context.secrets.get(organization, endpoint.certificate)
    if authorities:
        return endpoint.host, {"inline_string": authorities}
    # Deployment refuses an unknown name. Without a secret that was removed since, no certificate
    # is trusted.
    return NO_HOST, {"filename": context.ca_file}


def _tls(host: str, authorities: dict[str, str], *, http2: bool) -> dict[str, Any]:
    """TLS that checks the chain and the name."""
    bare = host.strip("[]")
    kind = "DNS"
    if is_ip(bare):
        kind = "IP_ADDRESS"
    validation = {
        "trusted_ca": authorities,
        "match_typed_subject_alt_names": [
            {"san_type": kind, "matcher": {"exact": bare}}
        ],
    }
    tls_context: dict[str, Any] = {
        "common_tls_context": {
            "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
            "validation_context": validation,
        }
    }
    if http2:
        tls_context["common_tls_context"]["alpn_protocols"] = ["h2"]
    if kind == "DNS":
        tls_context["sni"] = bare
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": typed(
            "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            **tls_context,
        ),
    }
