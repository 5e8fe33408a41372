"""The backends of an API: a Backend each, and how their TLS certificates are checked. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import field
from typing import Any

from kapi.apis.ir import Endpoint
from kapi.dataclass import dataclass
from kapi.gateway.envoy.resources.clusters import backend_address, is_ip
from kapi.gateway.kubernetes.context import ExportContext
from kapi.gateway.kubernetes.names import Manifest, object_name
from kapi.gateway.kubernetes.objects import ENVOY_GROUP, Maker
from kapi.gateway.kubernetes.shared import address
from kapi.policies.kubernetes import NotPossible


@dataclass(slots=True)
class Backends:
    """Collects the backends that the routes of one API name."""

    context: ExportContext
    maker: Maker
    organization: str
    objects: list[Manifest] = field(default_factory=list)
    faults: list[NotPossible] = field(default_factory=list)

    def references(self, endpoints: Iterable[Endpoint]) -> list[dict[str, Any]]:
        """What a rule calls its backends; each address of a pool is one."""
        made = []
        for endpoint in endpoints:
            levels = [0]
            if endpoint.pool is not None:
                levels = [item.priority for item in endpoint.pool.members]
            for item, level in zip(endpoint.addresses, levels, strict=True):
                named = self.reference(item, is_fallback=level > 0)
                made.append({**named, "weight": item.weight})
        if len(made) == 1:
            del made[0]["weight"]
        return made

    def reference(
        self, endpoint: Endpoint, *, is_fallback: bool = False
    ) -> dict[str, Any]:
        """What a route calls it, without a weight."""
        host, port = backend_address(endpoint, self.context.settings.gateway)
        spec: dict[str, Any] = {"endpoints": [address(host, port)]}
        if is_fallback:
            spec["fallback"] = True
        if endpoint.http2 and endpoint.scheme == "http":
            spec["appProtocols"] = ["gateway.envoyproxy.io/h2c"]
        certificate = endpoint.certificate
        trusted = None
        if certificate:
            trusted = (certificate.name, certificate.key)
        secure = None
        if endpoint.scheme == "https":
            secure = (endpoint.host, trusted)
        name = object_name(
            f"{endpoint.host}-{endpoint.port}", (spec, secure, self.maker.owner)
        )
        self.objects.append(self.maker.make("Backend", name, spec))
        if endpoint.scheme == "https":
            self.objects += self._checked(endpoint, name)
        return {"group": ENVOY_GROUP, "kind": "Backend", "name": name, "port": port}

    def _checked(self, endpoint: Endpoint, name: str) -> Iterator[Manifest]:
        if is_ip(endpoint.host.strip("[]")):
            what = f"a certificate for the address {endpoint.host} of a backend"
            self.faults.append(NotPossible(what, "Name the backend by its host name."))
            return
        validation: dict[str, Any] = {"hostname": endpoint.host.lower()}
        if endpoint.certificate is None:
            validation["wellKnownCACertificates"] = "System"
        else:
            text = self.context.secrets.get(self.organization, endpoint.certificate)
            if text is None:
                ref = endpoint.certificate
                what = f"the value of the secret {ref.name} {ref.key}, which is not known here"
                self.faults.append(
                    NotPossible(what, "Give it in secrets.values of kapi.toml.")
                )
                return
            stored = self.maker.make("ConfigMap", f"{name}-ca")
            yield stored | {"data": {"ca.crt": text}}
            authorities = {"group": "", "kind": "ConfigMap", "name": f"{name}-ca"}
            validation["caCertificateRefs"] = [authorities]
        target = {"group": ENVOY_GROUP, "kind": "Backend", "name": name}
        spec = {"targetRefs": [target], "validation": validation}
        yield self.maker.make("BackendTLSPolicy", f"{name}-tls", spec)
