"""Limits of AI backends (apk-conf `aiRatelimit` of an endpoint, `aiProvider` of the API): requests and tokens in windows of the clock.

A call counts as one token when it is let in. The provider's own answer says how many it took; the
module in Envoy reads it while it passes and counts the others: a call is refused once a window's tokens
are used up, and one whose answer goes over the limit is still delivered. Each endpoint has counts of its
own, apart for the sandbox; they do not change when an API is deployed again. Over the limit: 429, as for
`rate_limit`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from kapi.policies.admission import ADMIT, FILTER, ON, limit, usage
from kapi.policies.contract import EnvoyRoute, Phase, Place
from kapi.policies.rate_limit import API_CODE, OPERATION_CODE, SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kapi.apis.conf.model import ApiConf, OperationConf, Unit
    from kapi.apis.ir import AiLimits

name = "ai_rate_limit"
phase = Phase.LIMIT
filters = (ADMIT,)


@dataclass(frozen=True, slots=True)
class AiRateLimit:
    """An endpoint of the operation has limits; which, the endpoint itself says. `counted` tells whose endpoint it is."""

    policy: ClassVar[str] = name
    counted: Literal["api", "operation"]


def compile(conf: ApiConf, operation: OperationConf) -> AiRateLimit | None:  # noqa: A001 - the verb of the policy contract
    """A conf has limits at one of the two levels only; reading it made sure."""
    used = (*(operation.production or conf.production), *(operation.sandbox or conf.sandbox))
    if not any(endpoint.ai_rate_limit for endpoint in used):
        return None
    own = any(endpoint.ai_rate_limit for endpoint in (*operation.production, *operation.sandbox))
    return AiRateLimit("operation" if own else "api")


def envoy(node: AiRateLimit, place: Place) -> EnvoyRoute:
    """Switch the filter on and say what to count, and where answers say it."""
    limits, provider = place.endpoint.ai_limits, place.api.ai_provider
    if limits is None or provider is None:
        return EnvoyRoute()
    code = API_CODE if node.counted == "api" else OPERATION_CODE
    key = _key(node, place)
    counts = (
        limit(kind, f"{key}/{kind}", allowed, SECONDS[unit], code)
        for kind, allowed, unit in _counts(limits)
    )
    fields = {"limits": "\t".join(counts)}
    if limits.counts_tokens:
        fields["usage"] = usage(provider)
    return EnvoyRoute({FILTER: ON}, metadata={FILTER: fields})


def _key(node: AiRateLimit, place: Place) -> str:
    """The name of an endpoint's counts: whose it is, and its address."""
    endpoint = place.endpoint
    address = f"{endpoint.scheme}://{endpoint.authority}{endpoint.base_path}"
    own = f"{place.operation.verb}{place.operation.target}" if node.counted == "operation" else ""
    where = hashlib.sha256(address.encode()).hexdigest()[:16] + (
        "#sandbox" if place.sandbox else ""
    )
    return f"ai/{place.api.id}/{own}@{where}"


def _counts(limits: AiLimits) -> Iterator[tuple[str, int, Unit]]:
    """Requests, then tokens of prompts, of completions and of both; the letter is the module's word for each."""
    counts = (
        ("r", limits.requests, limits.request_unit),
        ("p", limits.prompt_tokens, limits.token_unit),
        ("c", limits.completion_tokens, limits.token_unit),
        ("t", limits.total_tokens, limits.token_unit),
    )
    return ((kind, allowed, unit) for kind, allowed, unit in counts if allowed is not None)
