"""What a policy is: one file with its parameters, its IR node and its Envoy part. Named in `policies.POLICIES`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Protocol

from kapi.apis.conf import ApiConf, OperationConf


class Phase(IntEnum):
    """When a policy acts on a request; the order of the filters in Envoy and of the nodes in the IR."""

    AUTHENTICATE = 10
    """First: everything after it may rely on who is calling."""
    AUTHORIZE = 20
    """After authentication, because it reads the verified claims; before anything that costs the backend."""


@dataclass(frozen=True, slots=True)
class EnvoyRoute:
    """What a node adds to a route: per-route filter configurations by filter name, in Envoy's JSON form."""

    per_route: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    remove_request_headers: tuple[str, ...] = ()


class Policy(Protocol):
    """The shape of a policy module. `compile` and `envoy` are pure."""

    @property
    def name(self) -> str:
        """What its nodes carry as `policy`."""

    @property
    def phase(self) -> Phase:
        """When it acts."""

    def compile(self, conf: ApiConf, operation: OperationConf) -> Any | None:
        """The node for one operation, or None where the policy has nothing to say."""

    def envoy(self, node: Any) -> EnvoyRoute:
        """What the node means to Envoy."""
