"""Backends and our own processes as Envoy clusters. Pure."""

from __future__ import annotations

import ipaddress
from typing import Any

from kapi.apis.ir import Endpoint
from kapi.gateway.envoy.names import CONTROL, IDENTITY, backend_name, typed
from kapi.gateway.envoy.site import Site

CONNECT_TIMEOUT = "20s"
DEFAULT_PORTS = {"http": 80, "https": 443}


def authority(endpoint: Endpoint) -> str:
    """The Host header that the backend expects."""
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    return host if DEFAULT_PORTS.get(endpoint.scheme) == endpoint.port else f"{host}:{endpoint.port}"


def cluster_name(endpoint: Endpoint, site: Site) -> str:
    """Endpoints that differ in their path only share a cluster."""
    return backend_name(_content(endpoint, site))


def backend_cluster(endpoint: Endpoint, site: Site) -> dict[str, Any]:
    """The cluster of one backend, named after its content."""
    content = _content(endpoint, site)
    name = backend_name(content)
    content["load_assignment"]["cluster_name"] = name
    return {"name": name, **content}


def _content(endpoint: Endpoint, site: Site) -> dict[str, Any]:
    address, port = _address(endpoint, site)
    limit = site.settings.gateway.max_connections
    cluster: dict[str, Any] = {
        "connect_timeout": CONNECT_TIMEOUT,
        "type": "STATIC" if _is_ip(address) else "STRICT_DNS",
        "load_assignment": _members("", [{"socket_address": {"address": address, "port_value": port}}]),
        "circuit_breakers": {"thresholds": [{"max_connections": limit, "max_pending_requests": limit, "max_requests": limit}]},
    }
    if cluster["type"] == "STRICT_DNS":
        cluster |= {"dns_lookup_family": "V4_PREFERRED", "respect_dns_ttl": True}
    if endpoint.scheme == "https":
        cluster["transport_socket"] = _tls(endpoint.host, site.ca_file)
    return cluster


def system_clusters(site: Site) -> tuple[dict[str, Any], ...]:
    """The identity workers and the control process, over their Unix sockets."""
    return (_pipes(IDENTITY, site.identity_sockets), _pipes(CONTROL, (site.control_socket,)))


def _pipes(name: str, sockets: tuple[str, ...]) -> dict[str, Any]:
    members = _members(name, [{"pipe": {"path": path}} for path in sockets])
    return {"name": name, "connect_timeout": "5s", "type": "STATIC", "load_assignment": members}


def _members(name: str, addresses: list[dict[str, Any]]) -> dict[str, Any]:
    endpoints = [{"endpoint": {"address": address}} for address in addresses]
    return {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]}


def _address(endpoint: Endpoint, site: Site) -> tuple[str, int]:
    """Where the backend really is: `gateway.hosts` may say otherwise than DNS."""
    hosts = site.settings.gateway.hosts
    mapped = hosts.get(f"{endpoint.host}:{endpoint.port}") or hosts.get(endpoint.host)
    if mapped is None:
        return endpoint.host.strip("[]"), endpoint.port
    if _is_ip(mapped.strip("[]")):
        return mapped.strip("[]"), endpoint.port
    address, colon, port = mapped.rpartition(":")
    return (address.strip("[]"), int(port)) if colon else (mapped, endpoint.port)


def _is_ip(address: str) -> bool:
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return False
    return True


def _tls(host: str, ca_file: str) -> dict[str, Any]:
    """TLS that checks the chain and the name."""
    bare = host.strip("[]")
    kind = "IP_ADDRESS" if _is_ip(bare) else "DNS"
    validation = {
        "trusted_ca": {"filename": ca_file},
        "match_typed_subject_alt_names": [{"san_type": kind, "matcher": {"exact": bare}}],
    }
    context: dict[str, Any] = {
        "common_tls_context": {"tls_params": {"tls_minimum_protocol_version": "TLSv1_2"}, "validation_context": validation}
    }
    if kind == "DNS":
        context["sni"] = bare
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": typed("envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext", **context),
    }
