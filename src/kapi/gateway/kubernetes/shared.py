"""What all APIs share: the Gateway, what it does with requests, the inbuilt issuer's keys. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any

from kapi.gateway.envoy.resources.clusters import is_ip
from kapi.gateway.envoy.resources.edge_headers import early_mutation
from kapi.gateway.kubernetes.context import ExportContext
from kapi.gateway.kubernetes.names import Manifest
from kapi.gateway.kubernetes.objects import ENVOY_GROUP, GATEWAY_GROUP, Maker
from kapi.policies.authentication.on_kubernetes import keys_backend
from kapi.settings import GatewaySettings

LISTENER = "https"
_NAMESPACE_LABEL = "kubernetes.io/metadata.name"


def shared_objects(context: ExportContext, *, with_keys: bool) -> Iterator[Manifest]:
    """The same for every API of an installation; the keys only for those that use them.

    Envoy Gateway writes no condition for a Backend that nothing refers to.
    """
    target = context.settings.kubernetes
    maker = Maker(target.of_gateway)
    yield maker.make("Gateway", target.gateway, _gateway(context))
    yield maker.make(
        "ClientTrafficPolicy", f"{target.gateway}-clients", _clients(context)
    )
    if with_keys:
        yield from _keys(context, maker)


def _gateway(context: ExportContext) -> dict[str, Any]:
    target, gateway = context.settings.kubernetes, context.settings.gateway
    namespaces: dict[str, Any] = {"from": "Same"}
    if target.of_gateway != target.namespace:
        chosen = {"matchLabels": {_NAMESPACE_LABEL: target.namespace}}
        namespaces = {"from": "Selector", "selector": chosen}
    listener = {
        "name": LISTENER,
        "hostname": f"*.{gateway.domain}".lower(),
        "port": gateway.public_port or gateway.port,
        "protocol": "HTTPS",
        "tls": {"mode": "Terminate", "certificateRefs": [{"name": target.tls_secret}]},
        "allowedRoutes": {"namespaces": namespaces},
    }
    return {"gatewayClassName": target.gateway_class, "listeners": [listener]}


def _clients(context: ExportContext) -> dict[str, Any]:
    """What `gateway/envoy/resources/listener.py` does with requests before their route."""
    target = context.settings.kubernetes
    return {
        "targetRefs": [
            {"group": GATEWAY_GROUP, "kind": "Gateway", "name": target.gateway}
        ],
        "tls": {"minVersion": "1.2"},
        "path": {"escapedSlashesAction": "UnescapeAndRedirect"},
        "headers": {
            # Backends may read `_` as `-`.
            "withUnderscoresAction": "DropHeader",
            "earlyRequestHeaders": {
                "removeOnMatch": [
                    {
                        "type": "RegularExpression",
                        "value": _removed(context.settings.gateway),
                    }
                ]
            },
        },
    }


def _removed(gateway: GatewaySettings) -> str:
    mutation = early_mutation(gateway, trusted=False)["typed_config"]["mutations"][0]
    pattern: str = mutation["remove_on_match"]["key_matcher"]["safe_regex"]["regex"]
    return pattern


def _keys(context: ExportContext, maker: Maker) -> Iterator[Manifest]:
    """Where Envoy gets the inbuilt provider's keys, and leave for other namespaces to name it."""
    target = context.settings.kubernetes
    name = keys_backend(target.gateway)
    host, _, port = target.jwks_backend.rpartition(":")
    yield maker.make(
        "Backend", name, {"endpoints": [address(host.strip("[]"), int(port))]}
    )
    validation: dict[str, Any] = {"hostname": context.settings.identity.host}
    if target.jwks_ca:
        authorities = {"group": "", "kind": "ConfigMap", "name": target.jwks_ca}
        validation["caCertificateRefs"] = [authorities]
    else:
        validation["wellKnownCACertificates"] = "System"
    backend = {"group": ENVOY_GROUP, "kind": "Backend", "name": name}
    spec = {"targetRefs": [backend], "validation": validation}
    yield maker.make("BackendTLSPolicy", f"{name}-tls", spec)
    if target.of_gateway != target.namespace:
        caller = {
            "group": ENVOY_GROUP,
            "kind": "SecurityPolicy",
            "namespace": target.namespace,
        }
        grant = {"from": [caller], "to": [backend]}
        yield maker.make("ReferenceGrant", f"{name}-{target.namespace}", grant)


def address(host: str, port: int) -> dict[str, Any]:
    """An item of `endpoints` of a Backend."""
    if is_ip(host):
        # Envoy Gateway does not take `::` for zeros in every place.
        return {"ip": {"address": ipaddress.ip_address(host).exploded, "port": port}}
    return {"fqdn": {"hostname": host.lower(), "port": port}}
