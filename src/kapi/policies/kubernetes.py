"""What a policy is on Kubernetes: its part of Gateway API and Envoy Gateway resources. Pure.

Each policy's part is in that policy's file, in the function `kubernetes`; `gateway/kubernetes`
joins the parts. What these resources cannot express is a `NotPossible` with its reason and a hint.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any

from kapi.apis.ir import Endpoint
from kapi.dataclass import dataclass
from kapi.policies.contract import HeaderCredential, Place
from kapi.settings import KubernetesSettings


@dataclass(frozen=True, slots=True)
class NotPossible:
    """Something of a conf that the resources cannot express."""

    what: str
    hint: str


@dataclass(frozen=True, slots=True)
class KeyAddress:
    """An issuer, and where Envoy Gateway's Envoy gets its keys."""

    name: str
    issuer: str
    jwks_uri: str
    audiences: tuple[str, ...] = ()
    scopes_claims: tuple[str, ...] = ("scope",)
    organizations: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    claim_mappings: tuple[tuple[str, str], ...] = ()
    """(claim, header): this claim goes to the backend as this header."""
    in_cluster: bool = False
    """Whether its keys come from `kubernetes.jwks_backend`."""

    def serves(self, organization: str, environment: str) -> bool:
        """Whether APIs of this organization and environment accept its tokens."""
        return _holds(self.organizations, organization) and _holds(
            self.environments, environment
        )


def _holds(allowed: tuple[str, ...], value: str) -> bool:
    return not allowed or "*" in allowed or value in allowed


@dataclass(frozen=True, slots=True)
class KubernetesPlace:
    """Where an operation is served, and what the target knows."""

    place: Place
    settings: KubernetesSettings
    issuers: tuple[KeyAddress, ...]

    @property
    def serving(self) -> tuple[KeyAddress, ...]:
        """The issuers whose tokens the API accepts."""
        api = self.place.api
        found = []
        for item in self.issuers:
            if item.serves(api.organization, api.environment):
                found.append(item)
        return tuple(found)


@dataclass(frozen=True, slots=True)
class HeaderChanges:
    """Changes of the headers of one message: removals first."""

    remove: tuple[str, ...] = ()
    set: tuple[tuple[str, str], ...] = ()
    add: tuple[tuple[str, str], ...] = ()

    def joined(self, other: HeaderChanges) -> HeaderChanges:
        """Both, one after the other."""
        return HeaderChanges(
            tuple(dict.fromkeys((*self.remove, *other.remove))),
            (*self.set, *other.set),
            (*self.add, *other.add),
        )


@dataclass(frozen=True, slots=True)
class KubernetesRoute:
    """What a node adds to a rule of a route."""

    security: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the spec of a SecurityPolicy; those of several policies are merged by name."""
    traffic: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the spec of a BackendTrafficPolicy."""
    lua: Sequence[Mapping[str, Any]] = ()
    """Items of `lua` of an EnvoyExtensionPolicy, in the order of a request."""
    wasm: Sequence[Mapping[str, Any]] = ()
    """Items of `wasm` of an EnvoyExtensionPolicy."""
    request_headers: HeaderChanges = HeaderChanges()
    response_headers: HeaderChanges = HeaderChanges()
    direct_response: Mapping[str, Any] = field(default_factory=dict)
    """`directResponse` of an HTTPRouteFilter; no backend is asked."""
    credential: HeaderCredential | None = None
    """Its value is in a Secret, under the key `credential`."""
    mirrors: tuple[Endpoint, ...] = ()
    not_possible: tuple[NotPossible, ...] = ()


def not_possible(what: str, hint: str) -> KubernetesRoute:
    """Only the reason why something cannot be expressed."""
    return KubernetesRoute(not_possible=(NotPossible(what, hint),))
