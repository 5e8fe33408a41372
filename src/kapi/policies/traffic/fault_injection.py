"""Delays and errors on purpose (kapi's own policy `FaultInjection`).

They show what callers do when a backend is slow or fails. They come after authentication, scopes
and limits, so that only accepted calls get them.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

from kapi.apis import report as codes
from kapi.apis.conf.policy_part import ConfPart, ListedPolicy
from kapi.apis.conf.shapes import Record, Whole
from kapi.apis.model.conf import ApiConf, OperationConf, policy_named
from kapi.apis.report import Report
from kapi.apis.yaml_positions import Mapping, mark
from kapi.dataclass import dataclass
from kapi.policies.contract import EnvoyRoute, HttpFilter, Phase, Place
from kapi.policies.kubernetes import KubernetesPlace, KubernetesRoute

name = "fault_injection"
phase = Phase.INJECT
FILTER = "envoy.filters.http.fault"
_FAULT = "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault"
filters = (HttpFilter(phase, FILTER, {"@type": _FAULT}, disabled=True),)

POLICY: Final = "FaultInjection"
_LONGEST: Final = 60_000
_ALL: Final = 100


@dataclass(frozen=True, slots=True)
class FaultInjection:
    """Milliseconds of a delay, and the status of an error; 0 is none. Shares are in percent."""

    policy: ClassVar[str] = name
    delay_millis: int = 0
    delay_percent: int = _ALL
    status: int = 0
    status_percent: int = _ALL


def compile(conf: ApiConf, operation: OperationConf) -> FaultInjection | None:
    """The one policy of the list."""
    item = policy_named(conf.policies_of(operation).request, POLICY)
    if item is None:
        return None
    return FaultInjection(
        item.parameter("delayMillis", 0),
        item.parameter("delayPercent", _ALL),
        item.parameter("statusCode", 0),
        item.parameter("statusPercent", _ALL),
    )


def envoy(node: FaultInjection, place: Place) -> EnvoyRoute:  # noqa: ARG001 - the policy contract
    """Envoy's own filter. What callers write about faults is not read."""
    fault: dict[str, Any] = {"@type": _FAULT}
    if node.delay_millis:
        fault["delay"] = {
            "fixed_delay": f"{node.delay_millis / 1000:g}s",
            "percentage": {"numerator": node.delay_percent},
        }
    if node.status:
        fault["abort"] = {
            "http_status": node.status,
            "percentage": {"numerator": node.status_percent},
        }
    return EnvoyRoute({FILTER: fault})


def kubernetes(node: FaultInjection, at: KubernetesPlace) -> KubernetesRoute:  # noqa: ARG001
    """`faultInjection` of a BackendTrafficPolicy."""
    fault: dict[str, Any] = {}
    if node.delay_millis:
        fault["delay"] = {
            "fixedDelay": f"{node.delay_millis}ms",
            "percentage": node.delay_percent,
        }
    if node.status:
        fault["abort"] = {"httpStatus": node.status, "percentage": node.status_percent}
    return KubernetesRoute(traffic={"faultInjection": fault})


def _check(parameters: Mapping, pointer: str, report: Report) -> None:
    if not {"delayMillis", "statusCode"} & set(parameters.entries):
        message = f"{POLICY} has neither a delay nor a status"
        hint = "Write delayMillis, statusCode or both."
        report.add(codes.COMBINATION, message, mark(parameters, pointer), hint)


conf_part = ConfPart(
    listed=(
        ListedPolicy(
            POLICY,
            flows=("request",),
            parameters=Record(
                {
                    "delayMillis": Whole(1, _LONGEST),
                    "delayPercent": Whole(1, _ALL),
                    "statusCode": Whole(400, 599),
                    "statusPercent": Whole(1, _ALL),
                }
            ),
            descriptions={
                "delayMillis": "How long a call waits before it goes on, in milliseconds.",
                "delayPercent": "The share of calls that wait; 100 when left out.",
                "statusCode": "The status of calls that are answered without a backend.",
                "statusPercent": "The share of these calls; 100 when left out.",
            },
            example={"statusCode": 503, "statusPercent": 10},
            check=_check,
            once=True,
        ),
    ),
)
