"""Guardrails of AI APIs: checks and changes of texts of requests and answers, in the conf's order.

Done inside Envoy by a WebAssembly module of its own (`wasm/guardrails`), which is loaded with the
first route that has one. It reads a body whole: JSON, and streams (events, NDJSON), whose pieces
it puts together. What it cannot read is refused. Its patterns take linear time. A refusal is 422
with the code 900514 and says which guardrail and why, in the form of WSO2's AI gateway.

They act after authentication and scopes, and before limits: a refused request counts nowhere, and
a refused answer counts with all its tokens.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any, ClassVar, Final

from kapi.apis.conf.policy_part import ConfPart
from kapi.apis.model.conf import ApiConf, Fields, OperationConf, PolicyConf
from kapi.dataclass import dataclass
from kapi.policies.admission import ON
from kapi.policies.contract import EnvoyRoute, HttpFilter, Phase, Place
from kapi.policies.guardrails import counts, json_schema, pii, prompts, regex, urls
from kapi.policies.guardrails.common import Check, plain
from kapi.policies.kubernetes import KubernetesPlace, KubernetesRoute, not_possible
from kapi.policies.own_modules import built, module_filter

name = "guardrails"
phase = Phase.GUARD

FILTER: Final = "kapi.guardrails"
"""Also the name of the route metadata that the module reads."""
MODULE: Final = built("guardrails")
CHECKS: Final[tuple[Check, ...]] = (
    *counts.CHECKS,
    regex.CHECK,
    urls.CHECK,
    pii.CHECK,
    json_schema.CHECK,
    *prompts.CHECKS,
)
_BY_NAME: Final = {item.listed.name: item for item in CHECKS}

filters = (
    HttpFilter(
        phase,
        FILTER,
        module_filter(FILTER, FILTER, MODULE),
        disabled=True,
        on_demand=True,
    ),
)


@dataclass(frozen=True, slots=True)
class Guardrail:
    """One guardrail: its name in refusals, its kind, and its settings as JSON."""

    name: str
    kind: str
    settings: str


@dataclass(frozen=True, slots=True)
class Guardrails:
    """The guardrails of one operation in the order in which they act."""

    policy: ClassVar[str] = name
    request: tuple[Guardrail, ...] = ()
    response: tuple[Guardrail, ...] = ()


def compile(conf: ApiConf, operation: OperationConf) -> Guardrails | None:
    """API level first on the way in, operation level first on the way out."""
    request = (*_items(conf.policies.request), *_items(operation.policies.request))
    response = (*_items(operation.policies.response), *_items(conf.policies.response))
    if not request and not response:
        return None
    return Guardrails(request, response)


def _items(policies: Iterable[PolicyConf]) -> Iterable[Guardrail]:
    for item in policies:
        check = _BY_NAME.get(item.name)
        if check is not None and isinstance(item.parameters, Fields):
            given: dict[str, Any] = plain(item.parameters)
            settings = json.dumps(check.settings(given), sort_keys=True)
            yield Guardrail(given.get("name", item.name), check.kind, settings)


def envoy(node: Guardrails, place: Place) -> EnvoyRoute:
    """Switch the filter on and say what it does."""
    flows = {
        "request": list(map(_entry, node.request)),
        "response": list(map(_entry, node.response)),
    }
    config = json.dumps(flows, ensure_ascii=False)
    digest = hashlib.sha256(config.encode()).hexdigest()[:32]
    return EnvoyRoute(
        {FILTER: ON},
        metadata={FILTER: {"id": digest, "config": config}},
        route={"request_body_buffer_limit": place.gateway.enforcer.max_body_bytes},
    )


def kubernetes(node: Guardrails | None, at: KubernetesPlace) -> KubernetesRoute:  # noqa: ARG001
    """Not possible."""
    return not_possible(
        "guardrails read bodies in a module of kapi's gateway",
        "Remove the guardrails, or deploy the API to kapi's gateway.",
    )


def _entry(item: Guardrail) -> dict[str, Any]:
    return {"name": item.name, "kind": item.kind, **json.loads(item.settings)}


conf_part = ConfPart(listed=tuple(item.listed for item in CHECKS))
