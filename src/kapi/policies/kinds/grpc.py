"""gRPC calls (apk-conf `grpc`): package at the backend, deadlines, gRPC-Web, health, reflection.

Every method of a gRPC API has this node. The deadline of a call (`grpc-timeout`) is kept: the
backend gets it, and the gateway ends the call when it has passed. It is bounded by
`upstreamResponseTimeout` of the endpoint, and by an hour without one; a call without a deadline has
that bound alone.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from dataclasses import field
from typing import Any, ClassVar, Final

from kapi.apis import report as codes
from kapi.apis.conf.nodes import (
    ENDPOINT_KINDS,
    endpoint_nodes,
    operation_nodes,
    text_at,
)
from kapi.apis.conf.policy_part import ConfField, ConfPart
from kapi.apis.conf.shapes import FLAG, Record, Text
from kapi.apis.ir import Endpoint, Operation
from kapi.apis.kinds.grpc import FIELD, GRPC, HostGrpcOperation, package_of
from kapi.apis.model.conf import ApiConf, Fields, OperationConf
from kapi.apis.report import Report, below
from kapi.apis.yaml_positions import Mapping, key_mark
from kapi.dataclass import dataclass
from kapi.policies import authentication, endpoint_security
from kapi.policies.admission import ON
from kapi.policies.callers import subscriptions
from kapi.policies.contract import EnvoyRoute, HttpFilter, Phase, Place
from kapi.policies.kubernetes import KubernetesPlace, KubernetesRoute, not_possible
from kapi.policies.limits import rate_limit
from kapi.policies.streams import FILTER as ENDED_WITH_CALLER
from kapi.policies.streams import ended_with_caller

name = "grpc"
phase = Phase.TRANSFORM
WEB_FILTER: Final = "envoy.filters.http.grpc_web"
_WEB: Final = {
    "@type": "type.googleapis.com/envoy.extensions.filters.http.grpc_web.v3.GrpcWeb"
}
JSON_FILTER: Final = "envoy.filters.http.grpc_json_transcoder"
_JSON_TYPE: Final = (
    "type.googleapis.com/"
    "envoy.extensions.filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder"
)
_NO_JSON: Final = {"@type": _JSON_TYPE, "proto_descriptor_bin": ""}
filters = (
    HttpFilter(Phase.TRANSLATE, WEB_FILTER, _WEB, disabled=True),
    HttpFilter(Phase.ENCODE, JSON_FILTER, _NO_JSON, disabled=True),
)

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
    transcoding: bool = False
    """Whether callers may send HTTP and JSON, by the google.api.http rules of the definition."""

    def service(self, target: str) -> str:
        """The full name of a service at the backend."""
        return f"{self.package}.{target}".lstrip(".")


@dataclass(frozen=True, slots=True)
class Transcoding:
    """One HTTP rule of a method of a service."""

    policy: ClassVar[str] = name
    service: str
    method: str
    http_method: str
    template: str
    descriptors: bytes = field(repr=False, metadata={"hidden": True})
    """A `FileDescriptorSet` with the service and all that it needs."""


def compile(conf: ApiConf, operation: OperationConf) -> GrpcCalls | None:  # noqa: ARG001
    """The same for every method."""
    if conf.type != GRPC.type:
        return None
    asked = _field(conf)
    package = asked.get("package", package_of(conf.base_path, conf.version))
    web, transcoding = (
        asked.get("web", default=False),
        asked.get("transcoding", default=False),
    )
    return GrpcCalls(package, web, transcoding)


def _field(conf: ApiConf) -> Fields:
    found: Fields = conf.field(FIELD, Fields())
    return found


def added_operations(
    conf: ApiConf, operations: tuple[Operation, ...]
) -> tuple[Operation, ...]:
    """Health checks and reflection, where the conf lets them pass."""
    if conf.type != GRPC.type:
        return ()
    return tuple(_at_host(conf, operations))


def _at_host(
    conf: ApiConf, operations: tuple[Operation, ...]
) -> Iterator[HostGrpcOperation]:
    options = _field(conf)
    production = _first(item.production for item in operations)
    sandbox = _first(item.sandbox for item in operations)
    for key, methods in _AT_HOST.items():
        passes = options.get(key)
        for target, verb in methods if passes else ():
            asked = OperationConf(target, verb, secured=passes != _OPEN)
            yield HostGrpcOperation(
                verb, target, production, sandbox, _nodes(conf, asked)
            )


def _first(endpoints: Iterator[tuple[Endpoint, ...]]) -> tuple[Endpoint, ...]:
    return next(filter(None, endpoints), ())


def _nodes(conf: ApiConf, asked: OperationConf) -> tuple[Any, ...]:
    """What is enforced on calls that are not operations of the conf: who calls, and how often."""
    made = (
        authentication.compile(conf, asked),
        subscriptions.compile(conf, asked),
        rate_limit.compile(conf, asked),
        endpoint_security.compile(conf, asked),
        GrpcCalls("", _field(conf).get("web", default=False)),
    )
    found = []
    for node in made:
        if node is not None:
            found.append(node)
    return tuple(found)


def envoy(node: GrpcCalls | Transcoding, place: Place) -> EnvoyRoute:
    """The time of a call counts from its first byte, as the caller counts it.

    A call of gRPC-Web, whose deadline Envoy does not read, has the bound alone. One that is
    transcoded has the times of an HTTP request.
    """
    if isinstance(node, Transcoding):
        # The transcoder reads the whole body of a request.
        limit = {"request_body_buffer_limit": place.gateway.enforcer.max_body_bytes}
        return EnvoyRoute(
            {JSON_FILTER: _transcoder(node, place.base_path)}, route=limit
        )
    bound = place.endpoint.response_timeout
    seconds = bound
    if bound is None:
        seconds = LONGEST_CALL
    # 0 sets no bound: the deadline of the call alone.
    longest = {"grpc_timeout_header_max": f"{seconds}s"}
    if seconds:
        longest["max_stream_duration"] = f"{seconds}s"
    per_route, metadata = {}, {}
    if node.web:
        per_route = {WEB_FILTER: ON}
    if getattr(place.operation, "streams", False):
        per_route[ENDED_WITH_CALLER] = ON
        metadata = ended_with_caller(place)
    action: dict[str, Any] = {"timeout": "0s", "max_stream_duration": longest}
    if place.endpoint.idle_timeout is None:
        # A stream may be silent as long as it may last.
        action["idle_timeout"] = f"{seconds}s"
    return EnvoyRoute(per_route, action=action, metadata=metadata)


def kubernetes(node: GrpcCalls | Transcoding, at: KubernetesPlace) -> KubernetesRoute:
    """The longest time of a call. Envoy Gateway takes gRPC-Web on every GRPCRoute."""
    if isinstance(node, Transcoding) or node.transcoding:
        what = "JSON transcoding of gRPC"
        return not_possible(
            what, "Remove transcoding, or deploy the API to kapi's gateway."
        )
    bound = at.place.endpoint.response_timeout
    longest = f"{LONGEST_CALL if bound is None else bound}s"
    times = {"requestTimeout": "0s", "maxStreamDuration": longest}
    return KubernetesRoute(traffic={"timeout": {"http": times}})


def _transcoder(node: Transcoding, base_path: str) -> dict[str, Any]:
    """The descriptors with this rule alone, so that no other method can be reached by the route."""
    from google.api import annotations_pb2
    from google.protobuf import descriptor_pb2

    made = descriptor_pb2.FileDescriptorSet.FromString(node.descriptors)
    for file in made.file:
        for service in file.service:
            full_name = f"{file.package}.{service.name}".lstrip(".")
            for method in service.method:
                rules = method.options.Extensions[annotations_pb2.http]
                own = (full_name, method.name) == (node.service, node.method)
                kept = None
                if own:
                    kept = _rule(rules, node)
                method.options.ClearExtension(annotations_pb2.http)
                if kept is not None:
                    setattr(kept, node.http_method.lower(), base_path + node.template)
                    method.options.Extensions[annotations_pb2.http].CopyFrom(kept)
    return {
        "@type": _JSON_TYPE,
        "proto_descriptor_bin": base64.b64encode(made.SerializeToString()).decode(
            "ascii"
        ),
        "services": [node.service],
        "match_incoming_request_route": True,
        "ignore_unknown_query_parameters": True,
        "convert_grpc_status": True,
        "request_validation_options": {"reject_unknown_method": True},
    }


def _rule(rules: Any, node: Transcoding) -> Any:
    """The rule of the node, without the others of its method."""
    from google.api import http_pb2

    for rule in (rules, *rules.additional_bindings):
        if getattr(rule, node.http_method.lower()) == node.template:
            alone = http_pb2.HttpRule()
            alone.CopyFrom(rule)
            del alone.additional_bindings[:]
            return alone
    return None


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
    for item in names:
        found = owner.entries.get(item)
        if not isinstance(found, Mapping):
            return
        owner, pointer = found, below(pointer, item)
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
                    "transcoding": FLAG,
                    "health": _ACCESS,
                    "reflection": _ACCESS,
                }
            ),
            descriptions={
                ".grpc": "How a gRPC API is served.",
                "grpc.package": (
                    "Package of the services at the backend. Base path and version, joined by "
                    "dots, when left out."
                ),
                "grpc.web": "true also takes gRPC-Web calls, as browsers make them.",
                "grpc.transcoding": (
                    "true also takes HTTP and JSON, by the google.api.http rules of the definition."
                ),
                "grpc.health": (
                    "Passes health checks of the backend (grpc.health.v1): open needs no token. "
                    "Refused when left out."
                ),
                "grpc.reflection": (
                    "Passes reflection of the backend: open needs no token. Refused when left out."
                ),
            },
        ),
    ),
    check=_check,
)
