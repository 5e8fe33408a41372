"""What a policy is: one module with its part of the conf, its IR node and its parts for gateways.

Named in `policies.POLICIES`.
"""

from __future__ import annotations

from typing import Any, Protocol

from kapi.apis.conf.policy_part import ConfPart
from kapi.apis.model.conf import ApiConf, OperationConf
from kapi.policies.contract import EnvoyRoute, HttpFilter, Phase, Place
from kapi.policies.kubernetes import KubernetesPlace, KubernetesRoute


class Policy(Protocol):
    """The shape of a policy module. `compile`, `envoy` and `kubernetes` are pure.

    A module may also have `everywhere(place) -> EnvoyRoute | None`: what the settings ask for
    at a place whose conf asks for nothing. One that adds operations to an API is an
    `apis.compile.AddsOperations`.
    """

    @property
    def name(self) -> str:
        """What its nodes carry as `policy`."""

    @property
    def conf_part(self) -> ConfPart:
        """Its names in the conf, where they may be used, their shape, checks and descriptions."""

    @property
    def phase(self) -> Phase:
        """The phase of a call in which the policy acts."""

    @property
    def filters(self) -> tuple[HttpFilter, ...]:
        """Its filters in the connection manager; equal where two policies name the same."""

    def compile(self, conf: ApiConf, operation: OperationConf) -> Any | None:
        """The node for one operation, or None where the policy has nothing to say."""

    def envoy(self, node: Any, place: Place) -> EnvoyRoute:
        """What the node means to Envoy at one place."""

    def kubernetes(self, node: Any, at: KubernetesPlace) -> KubernetesRoute:
        """What the node means to Gateway API and Envoy Gateway, or why it cannot be expressed.

        The node is None where the settings alone ask for something.
        """
