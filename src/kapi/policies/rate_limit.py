"""Rate limits (apk-conf `rateLimit` of the API or of operations): so many requests in each minute, hour or day of the clock (UTC).

The API's limit is one count for production and sandbox, all operations, and the paths with and without version. An operation's limit is
counted apart for the sandbox. Counts do not change when an API is deployed again. Over the limit: 429 with code 900800 (API) or 900802.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from kapi import error_codes
from kapi.apis.conf.model import ApiConf, OperationConf, RateLimitConf, Unit
from kapi.policies.admission import ADMIT, FILTER, ON, limit
from kapi.policies.contract import EnvoyRoute, Phase, Place

name = "rate_limit"
phase = Phase.LIMIT
filters = (ADMIT,)

SECONDS: dict[Unit, int] = {"Minute": 60, "Hour": 3600, "Day": 86400}
API_CODE = error_codes.API_THROTTLED.number
OPERATION_CODE = error_codes.OPERATION_THROTTLED.number


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most `requests` in each window of `unit`, counted for the whole API or for one operation."""

    policy: ClassVar[str] = name
    requests: int
    unit: Unit
    counted: Literal["api", "operation"]


def compile(conf: ApiConf, operation: OperationConf) -> RateLimit | None:  # noqa: A001 - the verb of the policy contract
    """A conf has limits at one of the two levels only; reading it made sure."""
    if conf.rate_limit is not None:
        return _limit(conf.rate_limit, "api")
    return _limit(operation.rate_limit, "operation") if operation.rate_limit is not None else None


def _limit(conf: RateLimitConf, counted: Literal["api", "operation"]) -> RateLimit:
    return RateLimit(conf.requests_per_unit, conf.unit, counted)


def envoy(node: RateLimit, place: Place) -> EnvoyRoute:
    """Switch the filter on and say what to count."""
    if node.counted == "api":
        key, code = f"api/{place.api.id}", API_CODE
    else:
        key, code = (
            f"operation/{place.api.id}/{place.operation.verb}{place.operation.target}",
            OPERATION_CODE,
        )
        key += "#sandbox" if place.sandbox else ""
    return EnvoyRoute(
        {FILTER: ON},
        metadata={FILTER: {"limits": limit("r", key, node.requests, SECONDS[node.unit], code)}},
    )
