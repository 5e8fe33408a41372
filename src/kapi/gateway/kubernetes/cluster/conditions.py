"""What Envoy Gateway says of the objects, in plain words. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from kapi.dataclass import dataclass
from kapi.gateway.kubernetes.names import Manifest

SILENT: Final = frozenset({"ConfigMap", "Secret", "ReferenceGrant", "HTTPRouteFilter"})
"""Kinds without conditions."""
_NEEDED: Final = {
    "Gateway": ("Accepted", "Programmed"),
    "HTTPRoute": ("Accepted", "ResolvedRefs"),
    "GRPCRoute": ("Accepted", "ResolvedRefs"),
}
_NO_ADDRESS: Final = "AddressNotAssigned"
_WORDS: Final = {
    "Accepted": "is not accepted",
    "ResolvedRefs": "names an object that cannot be used",
    "Programmed": "is not in Envoy",
    "Pending": "has no controller",
    _NO_ADDRESS: "has no address yet",
    "NoMatchingListenerHostname": "has a host name that the Gateway does not serve",
    "NotAllowedByListeners": "is in a namespace that the Gateway does not take routes from",
    "NoMatchingParent": "names a Gateway or listener that is not there",
    "BackendNotFound": "has a backend that is not there",
    "RefNotPermitted": "names an object of another namespace without a ReferenceGrant",
    "InvalidCertificateRef": "has no TLS certificate",
    "Conflicted": "is in conflict with another policy for the same rule",
    "Overridden": "has no effect; a policy for a smaller part replaces it",
    "TargetNotFound": "is for a route that is not there",
}
_HINTS: Final = {
    "Pending": "Install Envoy Gateway, and the GatewayClass of kubernetes.gateway_class.",
    _NO_ADDRESS: "The Service of the gateway needs a load balancer, or another type.",
    "NoMatchingListenerHostname": "Set gateway.domain as it is for the other APIs.",
    "NotAllowedByListeners": "Set kubernetes.namespace as it is for the other APIs.",
    "InvalidCertificateRef": "Create the Secret of kubernetes.tls_secret beside the Gateway.",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is said of one object. `state` is `ready`, `waiting` or `failed`."""

    state: str
    kind: str
    name: str
    text: str = ""
    hint: str = ""

    @property
    def line(self) -> str:
        """The condition as one line for people."""
        return f"{self.kind} {self.name} {self.text}"


def verdict(item: Manifest) -> Verdict:
    """What is said of an object that was read from the cluster."""
    kind, name = item["kind"], item["metadata"]["name"]
    if kind in SILENT:
        return Verdict("ready", kind, name)
    needed = set(_NEEDED.get(kind, ("Accepted",)))
    current = list(_current(item))
    bad = [found for found in current if _is_bad(found, needed)]
    if bad:
        # An address is the last thing that a Gateway gets.
        found = min(bad, key=lambda one: (one["reason"] == _NO_ADDRESS, one["type"]))
        state = "waiting" if found["reason"] in {"Pending", _NO_ADDRESS} else "failed"
        return Verdict(state, kind, name, _text(found), _HINTS.get(found["reason"], ""))
    missing = needed - {found["type"] for found in current}
    if missing:
        text = "is not mentioned by Envoy Gateway yet"
        hint = "Look at the log of Envoy Gateway, and whether what the object is for is there."
        return Verdict("waiting", kind, name, text, hint)
    return Verdict("ready", kind, name)


def has_no_address(item: Manifest) -> bool:
    """Whether a Gateway lacks only an address."""
    failing = [
        found for found in _current(item) if _is_bad(found, {"Accepted", "Programmed"})
    ]
    return bool(failing) and {found["reason"] for found in failing} == {_NO_ADDRESS}


def _is_bad(found: dict[str, Any], needed: Iterable[str]) -> bool:
    if found["type"] in {"Conflicted", "Overridden"}:
        return bool(found["status"] == "True")
    return found["type"] in needed and found["status"] != "True"


def _text(found: dict[str, Any]) -> str:
    words = _WORDS.get(found["reason"]) or _WORDS.get(found["type"], "is not ready")
    said = found.get("message", "").strip().rstrip(".")
    return f"{words}: {said}" if said else words


def _current(item: Manifest) -> Iterator[dict[str, Any]]:
    """The conditions of the newest generation of an object, wherever its kind has them."""
    status = item.get("status") or {}
    generation = item["metadata"].get("generation", 0)
    holders = [status, *status.get("parents", ()), *status.get("ancestors", ())]
    for holder in holders:
        for found in holder.get("conditions") or ():
            if found.get("observedGeneration", generation) >= generation:
                yield found
    for listener in status.get("listeners") or ():
        for found in listener.get("conditions") or ():
            if found["type"] == "ResolvedRefs" and found["status"] != "True":
                yield {**found, "type": "Programmed"}
