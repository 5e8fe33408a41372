"""Rate limits (apk-conf `rateLimit`): requests in each minute, hour or day of the clock (UTC).

The API's limit is one count for production and sandbox, all operations, and the paths with and
without version. An operation's limit is counted apart for the sandbox. Counts do not change when an
API is deployed again. Over the limit: 429 with code 900800 (API) or 900802.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final, Literal

from kapi import error_codes
from kapi.apis import report as codes
from kapi.apis.conf.nodes import operation_nodes
from kapi.apis.conf.policy_part import ConfField, ConfPart
from kapi.apis.conf.shapes import UNIT, Record, Whole
from kapi.apis.ir import Unit
from kapi.apis.model.conf import ApiConf, Fields, OperationConf
from kapi.apis.report import Report
from kapi.apis.yaml_positions import Mapping, key_mark
from kapi.dataclass import dataclass
from kapi.policies.admission import ADMIT, FILTER, ON, limit
from kapi.policies.contract import EnvoyRoute, Phase, Place
from kapi.policies.kubernetes import KubernetesPlace, KubernetesRoute

name = "rate_limit"
phase = Phase.LIMIT
filters = (ADMIT,)

FIELD: Final = "rateLimit"
SECONDS: dict[Unit, int] = {"Minute": 60, "Hour": 3600, "Day": 86400}
API_CODE = error_codes.API_THROTTLED.number
OPERATION_CODE = error_codes.OPERATION_THROTTLED.number


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most `requests` in each window of `unit`, for the whole API or for one operation."""

    policy: ClassVar[str] = name
    requests: int
    unit: Unit
    counted: Literal["api", "operation"]


def compile(conf: ApiConf, operation: OperationConf) -> RateLimit | None:
    """A conf has limits at one of the two levels only; reading it made sure."""
    return _limit(conf.field(FIELD), "api") or _limit(
        operation.field(FIELD), "operation"
    )


def _limit(
    field: Fields | None, counted: Literal["api", "operation"]
) -> RateLimit | None:
    if field is None:
        return None
    return RateLimit(field.get("requestsPerUnit"), field.get("unit"), counted)


def envoy(node: RateLimit, place: Place) -> EnvoyRoute:
    """Switch the filter on and say what to count."""
    if node.counted == "api":
        key, code = f"api/{place.api.id}", API_CODE
    else:
        key, code = (
            operation_key(place, place.operation.verb, place.operation.target),
            OPERATION_CODE,
        )
    return EnvoyRoute(
        {FILTER: ON},
        metadata={
            FILTER: {"limits": limit("r", key, node.requests, SECONDS[node.unit], code)}
        },
    )


def kubernetes(node: RateLimit, at: KubernetesPlace) -> KubernetesRoute:
    """Counted by each Envoy, or by Envoy Gateway's rate limit service for all of them.

    The limit of an API is one count, so its rule is shared by all that the policy is for.
    """
    rule: dict[str, Any] = {"limit": {"requests": node.requests, "unit": node.unit}}
    if node.counted == "api":
        rule["shared"] = True
    kind = at.settings.rate_limits
    limit_of = {"type": kind.capitalize(), kind: {"rules": [rule]}}
    return KubernetesRoute(traffic={"rateLimit": limit_of})


def operation_key(place: Place, verb: str, target: str) -> str:
    """The counter of one operation: apart for the sandbox."""
    host = "#sandbox" if place.sandbox else ""
    return f"operation/{place.api.id}/{verb}{target}{host}"


def _check_levels(root: Mapping, report: Report) -> None:
    """APK's 909026: one of two limits would hide the other."""
    if not isinstance(root.entries.get(FIELD), Mapping):
        return
    for operation, pointer in operation_nodes(root):
        if isinstance(operation.entries.get(FIELD), Mapping):
            message = "Presence of both resource level and API level rate limits is not allowed"
            place = key_mark(operation, FIELD, pointer)
            report.add(
                codes.RATE_LIMITS,
                message,
                place,
                "Remove it, or the rateLimit of the API.",
            )


conf_part = ConfPart(
    fields=(
        ConfField(
            FIELD,
            places=("api", "operation"),
            shape=Record(
                {"requestsPerUnit": Whole(1), "unit": UNIT}, ("requestsPerUnit", "unit")
            ),
            descriptions={
                ".rateLimit": (
                    "Requests in each unit for the whole API; not together with limits of "
                    "operations."
                ),
                "operations.rateLimit": (
                    "Requests in each unit for this operation; not together with a limit "
                    "of the API."
                ),
                "rateLimit.requestsPerUnit": "How many requests each window of the clock allows.",
                "rateLimit.unit": "The window: a minute, hour or day of the clock (UTC).",
            },
        ),
    ),
    check=_check_levels,
    error_codes={codes.RATE_LIMITS: error_codes.RATE_LIMITS_AT_BOTH_LEVELS},
)
