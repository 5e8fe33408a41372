"""Policies of Envoy Gateway: each distinct one is an object that names its rules. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from kapi.apis.ir import Api
from kapi.gateway.kubernetes.names import Manifest, digest, object_name
from kapi.gateway.kubernetes.objects import GATEWAY_GROUP, Maker
from kapi.gateway.kubernetes.routes.entries import Rule
from kapi.policies.kubernetes import NotPossible

MOST_TARGETS: Final = 16
"""Rules that one policy object is for."""
_FIELDS: Final[Mapping[str, str]] = {
    "SecurityPolicy": "security",
    "BackendTrafficPolicy": "traffic",
    "EnvoyExtensionPolicy": "extension",
}
"""Kind → the field of a rule."""

Routes = Sequence[tuple[str, Rule]]
"""Rules, each with the name of its route."""


def attached(api: Api, routes: Routes, maker: Maker) -> Iterator[Manifest]:
    """All policy objects of an API."""
    for kind, field in _FIELDS.items():
        for text, targets in _by_spec(routes, field).items():
            spec = json.loads(text)
            for start in range(0, len(targets), MOST_TARGETS):
                some = targets[start : start + MOST_TARGETS]
                name = object_name(
                    api.name, (api.id, kind, spec, start // MOST_TARGETS)
                )
                yield maker.make(kind, name, {"targetRefs": some, **spec})


def _by_spec(routes: Routes, field: str) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = {}
    for route, rule in routes:
        spec = getattr(rule, field)
        if spec:
            target = {
                "group": GATEWAY_GROUP,
                "kind": rule.kind,
                "name": route,
                "sectionName": rule.fields["name"],
            }
            found.setdefault(json.dumps(spec, sort_keys=True), []).append(target)
    return found


def split_counts(routes: Routes) -> Iterator[NotPossible]:
    """A limit of the whole API must be one object, because each object has a count of its own."""
    limited = []
    for _, rule in routes:
        if _is_shared(rule.traffic):
            limited.append(rule)
    if not limited:
        return
    kinds = {digest(rule.traffic) for rule in limited}
    if (
        any(rule.traffic["rateLimit"]["type"] == "Local" for rule in limited)
        and len(limited) > 1
    ):
        what = "a limit of the whole API, which each Envoy would count for each operation by itself"
        hint = 'Set kubernetes.rate_limits = "global", or limit the operations.'
        yield NotPossible(what, hint)
    elif len(kinds) > 1 or len(limited) > MOST_TARGETS:
        what = "a limit of the whole API that would be several counts"
        hint = f"Give its endpoints the same times and retries, and at most {MOST_TARGETS} rules."
        yield NotPossible(what, hint)


def _is_shared(traffic: Mapping[str, Any]) -> bool:
    limit = traffic.get("rateLimit", {})
    rules = limit.get(limit.get("type", "").lower(), {}).get("rules", [])
    return any(rule.get("shared") for rule in rules)
