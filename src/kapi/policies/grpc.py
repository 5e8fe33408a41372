"""gRPC calls (apk-conf `grpc`): the package of the backend, and how long a call may last.

Every method of a gRPC API has this node. The deadline of a call (`grpc-timeout`) is kept: the backend
gets it, and the gateway ends the call when it has passed. It is bounded by `upstreamResponseTimeout`
of the endpoint, and by an hour without one; a call without a deadline has that bound alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, Final

from kapi.apis import report as codes
from kapi.apis.conf.model import ApiConf, OperationConf
from kapi.apis.conf.nodes import text_at
from kapi.apis.conf.policy_part import ConfField, ConfPart
from kapi.apis.conf.shapes import Record, Text
from kapi.apis.kinds.grpc import FIELD, GRPC, package_of
from kapi.apis.report import Report
from kapi.apis.yaml_positions import Mapping, key_mark
from kapi.policies.contract import EnvoyRoute, HttpFilter, Phase, Place

name = "grpc"
phase = Phase.TRANSFORM
filters: tuple[HttpFilter, ...] = ()

LONGEST_CALL: Final = 3600
"""Seconds, where the endpoint names no time."""
_PACKAGE: Final = re.compile(r"([A-Za-z_]\w*(\.[A-Za-z_]\w*)*)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class GrpcCalls:
    """The package of a service at its backend; empty for none."""

    policy: ClassVar[str] = name
    package: str


def compile(conf: ApiConf, operation: OperationConf) -> GrpcCalls | None:  # noqa: A001, ARG001 - the policy contract
    """The same for every method."""
    if conf.type != GRPC.type:
        return None
    field = conf.field(FIELD)
    package = field.get("package") if field else None
    return GrpcCalls(package_of(conf.base_path, conf.version) if package is None else package)


def envoy(node: GrpcCalls, place: Place) -> EnvoyRoute:  # noqa: ARG001 - the policy contract
    """The time of a call counts from its first byte, as the caller counts it."""
    bound = place.endpoint.response_timeout
    seconds = LONGEST_CALL if bound is None else bound
    # 0 is no bound: the deadline of the call alone.
    longest = {"grpc_timeout_header_max": f"{seconds}s"}
    return EnvoyRoute(action={"timeout": "0s", "max_stream_duration": longest})


def _check(root: Mapping, report: Report) -> None:
    if FIELD in root.entries and text_at(root, "type") != GRPC.type:
        message = f"{FIELD} is only for an API of type {GRPC.type}"
        report.add(codes.COMBINATION, message, key_mark(root, FIELD, "#"), "Remove it.")


conf_part = ConfPart(
    fields=(
        ConfField(
            FIELD,
            places=("api",),
            shape=Record({"package": Text(0, 200, pattern=_PACKAGE.pattern)}),
            descriptions={
                ".grpc": "How a gRPC API is served.",
                "grpc.package": "Package of the services at the backend. Base path and version, joined by dots, when left out.",
            },
        ),
    ),
    check=_check,
)
