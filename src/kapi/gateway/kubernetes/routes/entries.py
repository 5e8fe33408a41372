"""The rules of an API before they are objects: paths, methods, and what is done with a call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any

from kapi.dataclass import dataclass
from kapi.gateway.envoy.resources.routes.paths import Rewrite
from kapi.gateway.kubernetes.routes.matches import PathMatch
from kapi.policies import Place


@dataclass(frozen=True, slots=True)
class Entry:
    """One rule of an HTTPRoute on one host. Entries are in the order in which they match."""

    host: str
    readable: str
    """What its name is made of."""
    path: PathMatch
    methods: tuple[str, ...] = ()
    """Empty: any."""
    place: Place | None = None
    """The operation; None if the gateway itself answers."""
    rewrite: Callable[[str], Rewrite] | None = None
    """From the base path of a backend to the paths of the requests there."""
    answer: Mapping[str, Any] = field(default_factory=dict)
    """`directResponse` of an HTTPRouteFilter."""
    body: str = ""
    """The body of the answer, if it has one."""


@dataclass(frozen=True, slots=True)
class GrpcEntry:
    """One rule of a GRPCRoute: a method of a service."""

    service: str
    method: str
    place: Place
    backend_path: str
    """The path of the method at a backend, below its base path."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule with its objects' names and what the policies say about it."""

    kind: str
    """HTTPRoute or GRPCRoute."""
    host: str
    fields: dict[str, Any]
    """The rule itself; its `name` is unique within the API."""
    security: Mapping[str, Any]
    traffic: Mapping[str, Any]
    extension: Mapping[str, Any]
    """`lua` and `wasm` of an EnvoyExtensionPolicy."""
