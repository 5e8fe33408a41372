"""Limits of AI backends: requests and tokens in windows of the clock.

apk-conf `aiRatelimit` of an endpoint, `aiProvider` of the API.

A call counts as one token when it is let in. The provider's own answer says how many it took; the
module in Envoy reads it while it passes and counts the others: a call is refused once a window's
tokens are used up, and one whose answer goes over the limit is still delivered. Each endpoint has
counts of its own, apart for the sandbox; they do not change when an API is deployed again. Over the
limit: 429, as for `rate_limit`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import ClassVar, Final, Literal

from kapi.apis import report as codes
from kapi.apis.conf.nodes import (
    ENDPOINT_KINDS,
    endpoint_nodes,
    is_true,
    operation_nodes,
)
from kapi.apis.conf.policy_part import ConfField, ConfPart
from kapi.apis.conf.shapes import FLAG, UNIT, Record, Whole
from kapi.apis.ir import AiLimits, Unit
from kapi.apis.model.conf import ApiConf, OperationConf
from kapi.apis.report import Report, below
from kapi.apis.yaml_positions import Mapping, key_mark, mark
from kapi.dataclass import dataclass
from kapi.policies.admission import ADMIT, FILTER, ON, limit, usage
from kapi.policies.contract import EnvoyRoute, Phase, Place
from kapi.policies.kubernetes import KubernetesPlace, KubernetesRoute, not_possible
from kapi.policies.limits.rate_limit import API_CODE, OPERATION_CODE, SECONDS

name = "ai_rate_limit"
phase = Phase.LIMIT
filters = (ADMIT,)


@dataclass(frozen=True, slots=True)
class AiRateLimit:
    """An endpoint of the operation has limits; which, the endpoint itself says.

    `counted` tells whose endpoint it is.
    """

    policy: ClassVar[str] = name
    counted: Literal["api", "operation"]


def compile(conf: ApiConf, operation: OperationConf) -> AiRateLimit | None:
    """A conf has limits at one of the two levels only; reading it made sure."""
    used = (
        *(operation.production or conf.production),
        *(operation.sandbox or conf.sandbox),
    )
    if not any(endpoint.ai_rate_limit for endpoint in used):
        return None
    own = any(
        endpoint.ai_rate_limit
        for endpoint in (*operation.production, *operation.sandbox)
    )
    return AiRateLimit("operation" if own else "api")


def envoy(node: AiRateLimit, place: Place) -> EnvoyRoute:
    """Switch the filter on and say what to count, and where answers say it."""
    limits, provider = place.endpoint.ai_limits, place.api.ai_provider
    if limits is None or provider is None:
        return EnvoyRoute()
    code = OPERATION_CODE
    if node.counted == "api":
        code = API_CODE
    key = _key(node, place)
    counts = (
        limit(kind, f"{key}/{kind}", allowed, SECONDS[unit], code)
        for kind, allowed, unit in _counts(limits)
    )
    fields = {"limits": "\t".join(counts)}
    if limits.counts_tokens:
        fields["usage"] = usage(provider, place.api.id)
    return EnvoyRoute({FILTER: ON}, metadata={FILTER: fields})


def kubernetes(node: AiRateLimit | None, at: KubernetesPlace) -> KubernetesRoute:  # noqa: ARG001
    """Not possible."""
    return not_possible(
        "limits by tokens of AI answers need kapi's gateway",
        "Remove aiRatelimit, or deploy the API to kapi's gateway.",
    )


def _key(node: AiRateLimit, place: Place) -> str:
    """The name of an endpoint's counts: whose it is, and its address."""
    endpoint = place.endpoint
    address = f"{endpoint.scheme}://{endpoint.authority}{endpoint.base_path}"
    own = ""
    if node.counted == "operation":
        own = f"{place.operation.verb}{place.operation.target}"
    where = hashlib.sha256(address.encode()).hexdigest()[:16]
    host = "#sandbox" if place.sandbox else ""
    return f"ai/{place.api.id}/{own}@{where}{host}"


def _counts(limits: AiLimits) -> Iterator[tuple[str, int, Unit]]:
    """Requests, then tokens of prompts, completions and both; each with the module's letter."""
    counts = (
        ("r", limits.requests, limits.request_unit),
        ("p", limits.prompt_tokens, limits.token_unit),
        ("c", limits.completion_tokens, limits.token_unit),
        ("t", limits.total_tokens, limits.token_unit),
    )
    return (
        (kind, allowed, unit) for kind, allowed, unit in counts if allowed is not None
    )


FIELD: Final = "aiRatelimit"
_LIMITS: Final = {
    "token": ("promptLimit", "completionLimit", "totalLimit"),
    "request": ("requestLimit",),
}


def _check(root: Mapping, report: Report) -> None:
    """Check the limits that are enabled, at the endpoints of the API and of operations."""
    at_api = list(_enabled(root, "#"))
    for operation, pointer in operation_nodes(root):
        own = list(_enabled(operation, pointer))
        if at_api and own:
            endpoint, here = own[0]
            message = "Presence of both resource level and API level AI rate limits is not allowed"
            place = key_mark(endpoint, FIELD, here)
            hint = "Remove it, or the aiRatelimit of the API's endpoints."
            report.add(codes.RATE_LIMITS, message, place, hint)
        for endpoint, here in own:
            _check_limits(root, endpoint, here, report)
    for endpoint, here in at_api:
        _check_limits(root, endpoint, here, report)


def _enabled(owner: Mapping, pointer: str) -> Iterator[tuple[Mapping, str]]:
    """The endpoints of the API or of an operation whose limits are enabled."""
    for kind in ENDPOINT_KINDS:
        for endpoint, here in endpoint_nodes(owner, kind, pointer):
            limits = endpoint.entries.get(FIELD)
            if limits is not None and is_true(limits, "enabled"):
                yield endpoint, here


def _check_limits(
    root: Mapping, endpoint: Mapping, pointer: str, report: Report
) -> None:
    here = below(pointer, FIELD)
    limits = endpoint.entries.get(FIELD)
    if not isinstance(limits, Mapping) or report.has_within(here):
        return
    place = key_mark(endpoint, FIELD, pointer)
    if "aiProvider" not in root.entries:
        hint = "Name the provider in aiProvider: its answers say how many tokens a call took."
        report.add(codes.COMBINATION, "aiRatelimit needs an aiProvider", place, hint)
    given = {group: _given(limits, group) for group in _LIMITS}
    if not any(given.values()):
        known = ", ".join(
            f"{group}.{name}" for group, names in _LIMITS.items() for name in names
        )
        hint = f"Write one of: {known}. Or enabled: false."
        report.add(codes.MISSING, "aiRatelimit has no limit", place, hint)
    for group, found in given.items():
        node = limits.entries.get(group)
        if found and isinstance(node, Mapping) and "unit" not in node.entries:
            message = f"required key [unit] not found for {found[0]}"
            spot = mark(node, below(here, group))
            report.add(codes.MISSING, message, spot, "Add `unit: Minute`, Hour or Day.")


def _given(limits: Mapping, group: str) -> list[str]:
    """The limits that a group names."""
    node = limits.entries.get(group)
    if not isinstance(node, Mapping):
        return []
    found = []
    for name in _LIMITS[group]:
        if name in node.entries:
            found.append(name)
    return found


_TOKENS: Final = Record(
    {
        "promptLimit": Whole(1),
        "completionLimit": Whole(1),
        "totalLimit": Whole(1),
        "unit": UNIT,
    }
)
conf_part = ConfPart(
    fields=(
        ConfField(
            FIELD,
            places=("endpoint",),
            shape=Record(
                {
                    "enabled": FLAG,
                    "token": _TOKENS,
                    "request": Record({"requestLimit": Whole(1), "unit": UNIT}),
                },
                ("enabled", "token", "request"),
            ),
            descriptions={
                "aiRatelimit": (
                    "Limits of an AI backend, by tokens and requests. Needs an aiProvider."
                ),
                "aiRatelimit.enabled": "true holds the limits.",
                "aiRatelimit.token": (
                    "Tokens in each unit, as the provider's answers say; a limit that is left out "
                    "is none."
                ),
                "aiRatelimit.token.promptLimit": "Tokens of prompts.",
                "aiRatelimit.token.completionLimit": "Tokens of completions.",
                "aiRatelimit.token.totalLimit": "Tokens of both.",
                "aiRatelimit.token.unit": "The window of the tokens, by the clock in UTC.",
                "aiRatelimit.request": "Requests in each unit; {} for no limit.",
                "aiRatelimit.request.requestLimit": "How many requests.",
                "aiRatelimit.request.unit": "The window of the requests, by the clock in UTC.",
            },
        ),
    ),
    check=_check,
)
