"""What the policies add to one rule, together. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from kapi.policies import POLICIES
from kapi.policies.kubernetes import KubernetesPlace, KubernetesRoute


def route_parts(at: KubernetesPlace) -> KubernetesRoute:
    """All parts of the policies of an operation, joined in the order of their phases."""
    return joined(_parts(at))


def _parts(at: KubernetesPlace) -> Iterable[KubernetesRoute]:
    nodes = {node.policy: node for node in at.place.operation.policies}
    for policy in POLICIES:
        if policy.name in nodes:
            yield policy.kubernetes(nodes[policy.name], at)
            continue
        everywhere = getattr(policy, "everywhere", None)
        if everywhere and everywhere(at.place):
            yield policy.kubernetes(None, at)


def joined(parts: Iterable[KubernetesRoute]) -> KubernetesRoute:
    """Several parts as one."""
    found = KubernetesRoute()
    for part in parts:
        found = replace(
            found,
            security=_security(found.security, part.security),
            traffic=merged(found.traffic, part.traffic),
            lua=(*found.lua, *part.lua),
            wasm=(*found.wasm, *part.wasm),
            request_headers=found.request_headers.joined(part.request_headers),
            response_headers=found.response_headers.joined(part.response_headers),
            direct_response=found.direct_response or part.direct_response,
            credential=found.credential or part.credential,
            mirrors=(*found.mirrors, *part.mirrors),
            not_possible=(*found.not_possible, *part.not_possible),
        )
    return found


def _security(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of both. Rules of authorization come in their order; what one denies is denied."""
    made = {**first, **second}
    if "authorization" not in first or "authorization" not in second:
        return made
    parts = (first["authorization"], second["authorization"])
    denies = any(part["defaultAction"] == "Deny" for part in parts)
    made["authorization"] = {
        "defaultAction": "Deny" if denies else "Allow",
        "rules": [rule for part in parts for rule in part["rules"]],
    }
    return made


def merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Two trees of fields; where both have a value, that of the second."""
    made = dict(first)
    for name, value in second.items():
        known = made.get(name)
        if isinstance(known, Mapping) and isinstance(value, Mapping):
            made[name] = merged(known, value)
        else:
            made[name] = value
    return made
