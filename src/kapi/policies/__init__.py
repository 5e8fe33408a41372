"""What is enforced. One policy = one file (its parameters, its node, its Envoy part) and one name in POLICIES.

`apis.compile` asks each policy for its node; the renderer asks it what the node means to Envoy. Pure: no I/O.
"""

from __future__ import annotations

from kapi.policies import authentication, scopes
from kapi.policies.contract import EnvoyRoute, Phase, Policy

POLICIES: tuple[Policy, ...] = (authentication, scopes)
"""In the order of their phases."""

__all__ = ["POLICIES", "EnvoyRoute", "Phase", "Policy"]
