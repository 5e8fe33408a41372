"""gRPC calls (apk-conf `grpc`): the package of the backend, the time of a call, gRPC-Web, health, reflection.

Every method of a gRPC API has this node. The deadline of a call (`grpc-timeout`) is kept: the backend
gets it, and the gateway ends the call when it has passed. It is bounded by `upstreamResponseTimeout`
of the endpoint, and by an hour without one; a call without a deadline has that bound alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from kapi.apis import report as codes
from kapi.apis.conf.model import ApiConf, Fields, OperationConf
from kapi.apis.conf.nodes import ENDPOINT_KINDS, endpoint_nodes, operation_nodes, text_at
from kapi.apis.conf.policy_part import ConfField, ConfPart
from kapi.apis.conf.shapes import FLAG, Record, Text
from kapi.apis.ir import Endpoint, Operation
from kapi.apis.kinds.grpc import FIELD, GRPC, HostGrpcOperation, package_of
from kapi.apis.report import Report, below
from kapi.apis.yaml_positions import Mapping, key_mark
from kapi.policies import authentication, endpoint_security, rate_limit, subscriptions
from kapi.policies.admission import ON
from kapi.policies.contract import EnvoyRoute, HttpFilter, Phase, Place

name = "grpc"
phase = Phase.TRANSFORM
WEB_FILTER: Final = "envoy.filters.http.grpc_web"
_WEB: Final = {"@type": "type.googleapis.com/envoy.extensions.filters.http.grpc_web.v3.GrpcWeb"}
filters = (HttpFilter(Phase.TRANSLATE, WEB_FILTER, _WEB, disabled=True),)

LONGEST_CALL: Final = 3600
"""Seconds, where the endpoint names no time."""
_PACKAGE: Final = re.compile(r"([A-Za-z_]\w*(\.[A-Za-z_]\w*)*)?", re.ASCII)
_OPEN: Final = "open"
_AT_HOST: Final = {
    "health": (
        ("grpc.health.v1.Health", "Check"),
        ("grpc.health.v1.Health", "List"),
        ("grpc.health.v1.Health", "Watch"),
    ),
    "reflection": (
        ("grpc.reflection.v1.ServerReflection", "ServerReflectionInfo"),
        ("grpc.reflection.v1alpha.ServerReflection", "ServerReflectionInfo"),
    ),
}
"""Methods that have the same path at every server, by the field that lets them pass."""


@dataclass(frozen=True, slots=True)
class GrpcCalls:
    """How the calls of a method pass. `package` is that of the service at its backend."""

    policy: ClassVar[str] = name
    package: str
    web: bool = False
    """Whether callers may speak gRPC-Web."""


def compile(conf: ApiConf, operation: OperationConf) -> GrpcCalls | None:  # noqa: A001, ARG001 - the policy contract
    """The same for every method."""
    if conf.type != GRPC.type:
        return None
    field = _field(conf)
    package = field.get("package", package_of(conf.base_path, conf.version))
    return GrpcCalls(package, field.get("web", default=False))


def _field(conf: ApiConf) -> Fields:
    found: Fields = conf.field(FIELD, Fields())
    return found


def added_operations(conf: ApiConf, operations: tuple[Operation, ...]) -> tuple[Operation, ...]:
    """Health checks and reflection, where the conf lets them pass."""
    if conf.type != GRPC.type:
        return ()
    return tuple(_at_host(conf, operations))


def _at_host(conf: ApiConf, operations: tuple[Operation, ...]) -> Iterator[HostGrpcOperation]:
    field = _field(conf)
    production = _first(item.production for item in operations)
    sandbox = _first(item.sandbox for item in operations)
    for key, methods in _AT_HOST.items():
        passes = field.get(key)
        for target, verb in methods if passes else ():
            asked = OperationConf(target, verb, secured=passes != _OPEN)
            yield HostGrpcOperation(verb, target, production, sandbox, _nodes(conf, asked))


def _first(endpoints: Iterator[tuple[Endpoint, ...]]) -> tuple[Endpoint, ...]:
    return next((item for item in endpoints if item), ())


def _nodes(conf: ApiConf, asked: OperationConf) -> tuple[Any, ...]:
    """What is enforced on calls that are no operations of the conf: who calls, and how often."""
    made = (
        authentication.compile(conf, asked),
        subscriptions.compile(conf, asked),
        rate_limit.compile(conf, asked),
        endpoint_security.compile(conf, asked),
        GrpcCalls("", _field(conf).get("web", default=False)),
    )
    return tuple(node for node in made if node is not None)


def envoy(node: GrpcCalls, place: Place) -> EnvoyRoute:
    """The time of a call counts from its first byte, as the caller counts it."""
    bound = place.endpoint.response_timeout
    seconds = LONGEST_CALL if bound is None else bound
    # 0 is no bound: the deadline of the call alone.
    longest = {"grpc_timeout_header_max": f"{seconds}s"}
    per_route = {WEB_FILTER: ON} if node.web else {}
    return EnvoyRoute(per_route, action={"timeout": "0s", "max_stream_duration": longest})


def _check(root: Mapping, report: Report) -> None:
    if text_at(root, "type") == GRPC.type:
        return
    hint = "Remove it."
    if FIELD in root.entries:
        message = f"{FIELD} is only for an API of type {GRPC.type}"
        report.add(codes.COMBINATION, message, key_mark(root, FIELD, "#"), hint)
    for retry, pointer in _retry_policies(root):
        if "grpcStatuses" in retry.entries:
            message = f"grpcStatuses is only for an API of type {GRPC.type}"
            place = key_mark(retry, "grpcStatuses", pointer)
            report.add(codes.COMBINATION, message, place, "Use statusCodes.")


def _retry_policies(root: Mapping) -> Iterator[tuple[Mapping, str]]:
    for owner, pointer in ((root, "#"), *operation_nodes(root)):
        for kind in ENDPOINT_KINDS:
            for endpoint, here in endpoint_nodes(owner, kind, pointer):
                yield from _within(endpoint, here, "resiliency", "retryPolicy")


def _within(owner: Mapping, pointer: str, *names: str) -> Iterator[tuple[Mapping, str]]:
    """The mapping that is reached by these names, if there is one."""
    for field in names:
        found = owner.entries.get(field)
        if not isinstance(found, Mapping):
            return
        owner, pointer = found, below(pointer, field)
    yield owner, pointer


_ACCESS: Final = Text(one_of=("open", "secured"))
conf_part = ConfPart(
    fields=(
        ConfField(
            FIELD,
            places=("api",),
            shape=Record(
                {
                    "package": Text(0, 200, pattern=_PACKAGE.pattern),
                    "web": FLAG,
                    "health": _ACCESS,
                    "reflection": _ACCESS,
                }
            ),
            descriptions={
                ".grpc": "How a gRPC API is served.",
                "grpc.package": "Package of the services at the backend. Base path and version, joined by dots, when left out.",
                "grpc.web": "true also takes gRPC-Web calls, as browsers make them.",
                "grpc.health": "Passes health checks of the backend (grpc.health.v1): open needs no token. Refused when left out.",
                "grpc.reflection": "Passes reflection of the backend: open needs no token. Refused when left out.",
            },
        ),
    ),
    check=_check,
)
