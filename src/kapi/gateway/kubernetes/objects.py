"""Objects of Kubernetes as values, in the order in which they are written. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from kapi.apis.ir import Api
from kapi.dataclass import dataclass
from kapi.gateway.kubernetes.names import MANAGED_BY, OWNER, Manifest, labels_of

CORE: Final = "v1"
GATEWAY: Final = "gateway.networking.k8s.io/v1"
GRANT: Final = "gateway.networking.k8s.io/v1beta1"
ENVOY: Final = "gateway.envoyproxy.io/v1alpha1"
VERSIONS: Final[Mapping[str, str]] = {
    "ConfigMap": CORE,
    "Secret": CORE,
    "Gateway": GATEWAY,
    "ClientTrafficPolicy": ENVOY,
    "ReferenceGrant": GRANT,
    "Backend": ENVOY,
    "BackendTLSPolicy": GATEWAY,
    "HTTPRouteFilter": ENVOY,
    "SecurityPolicy": ENVOY,
    "BackendTrafficPolicy": ENVOY,
    "EnvoyExtensionPolicy": ENVOY,
    "HTTPRoute": GATEWAY,
    "GRPCRoute": GATEWAY,
}
"""Kind → apiVersion, in the order in which objects are written and applied.

Policies come before routes: a route that is there first would be open until its policy is.
"""
ENVOY_GROUP: Final = "gateway.envoyproxy.io"
GATEWAY_GROUP: Final = "gateway.networking.k8s.io"


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes the objects of one API, or those that all APIs share (`api` is None)."""

    namespace: str
    api: Api | None = None

    @property
    def owner(self) -> str:
        """The id of the API. Each API has objects of its own, so that they go with it."""
        if self.api is None:
            return ""
        return self.api.id

    def make(
        self, kind: str, name: str, spec: Mapping[str, Any] | None = None
    ) -> Manifest:
        """An object with a spec; without one, the caller adds its fields."""
        made: Manifest = {
            "apiVersion": VERSIONS[kind],
            "kind": kind,
            "metadata": {
                "name": name,
                "namespace": self.namespace,
                "labels": self._labels(),
            },
        }
        if self.api is not None:
            made["metadata"]["annotations"] = {
                "kapi/name": self.api.name,
                "kapi/version": self.api.version,
            }
        if spec is not None:
            made["spec"] = dict(spec)
        return made

    def _labels(self) -> dict[str, str]:
        if self.api is None:
            return {MANAGED_BY: OWNER}
        return labels_of(self.api)


def in_order(objects: Iterable[Manifest]) -> tuple[Manifest, ...]:
    """Each object once, by kind and name."""
    kinds = list(VERSIONS)
    distinct = {(item["kind"], item["metadata"]["name"]): item for item in objects}
    ordered = sorted(distinct, key=lambda key: (kinds.index(key[0]), key[1]))
    return tuple(distinct[key] for key in ordered)
