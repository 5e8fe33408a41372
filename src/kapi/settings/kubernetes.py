"""The section `kubernetes`: names of what an export to Kubernetes refers to."""

from __future__ import annotations

import re
from dataclasses import field

from kapi.dataclass import dataclass
from kapi.settings.addresses import is_host_port
from kapi.settings.checks import check_text

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_NAMESPACE = {
    "check": check_text(
        _LABEL.fullmatch,
        "{} is not the name of a namespace",
        "Use at most 63 small letters, digits and `-`.",
    )
}
_OBJECT = {
    "check": check_text(
        _NAME.fullmatch,
        "{} is not the name of a Kubernetes object",
        "Use small letters, digits, `-` and `.` (RFC 1123).",
    )
}
_OBJECT_OR_NONE = {
    "check": check_text(
        lambda text: not text or _NAME.fullmatch(text),
        "{} is not the name of a Kubernetes object",
        "Use small letters, digits, `-` and `.` (RFC 1123).",
    )
}
_ADDRESS_OR_NONE = {
    "check": check_text(
        lambda text: not text or (is_host_port(text) and ":" in text),
        "{} is not an address",
        "Write host:port.",
    )
}


@dataclass(frozen=True, slots=True)
class KubernetesSettings:
    """What `kapi export --to kubernetes` and `kapi deploy --target kubernetes` write."""

    namespace: str = field(default="default", metadata=_NAMESPACE)
    """The namespace of the resources of APIs."""
    gateway_namespace: str = field(
        default="",
        metadata={
            "check": check_text(
                lambda text: not text or _LABEL.fullmatch(text),
                "{} is not the name of a namespace",
                "Use at most 63 small letters, digits and `-`.",
            )
        },
    )
    """The namespace of the Gateway; empty means that of the APIs."""
    gateway: str = field(default="kapi", metadata=_OBJECT)
    """The name of the Gateway."""
    gateway_class: str = field(default="eg", metadata=_OBJECT)
    """The GatewayClass of Envoy Gateway."""
    tls_secret: str = field(default="kapi-tls", metadata=_OBJECT)
    """A Secret of type kubernetes.io/tls beside the Gateway: the certificate of its hosts."""
    rate_limits: str = field(default="local", metadata={"choices": ("local", "global")})
    """Whether each Envoy counts by itself, or Envoy Gateway's rate limit service for all."""
    jwks_backend: str = field(default="", metadata=_ADDRESS_OR_NONE)
    """host:port where Envoy gets the keys of the inbuilt provider, if DNS does not lead there."""
    jwks_ca: str = field(default="", metadata=_OBJECT_OR_NONE)
    """A ConfigMap with `ca.crt`, the authorities of the inbuilt provider's certificate.

    Empty means those of the system.
    """
    api_keys_secret: str = field(default="kapi-api-keys", metadata=_OBJECT)
    """A Secret whose keys are client ids and whose values are their API keys."""

    wait_seconds: int = field(default=60, metadata={"range": (1, 3600)})
    """Seconds for which `kapi deploy --target kubernetes` waits for Envoy Gateway."""

    @property
    def of_gateway(self) -> str:
        """The namespace of the Gateway."""
        return self.gateway_namespace or self.namespace
