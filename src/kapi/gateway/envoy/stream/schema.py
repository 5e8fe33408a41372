"""Messages of Envoy's API with fields of Envoy 1.40 that the published Python classes lack. Pure.

A copy of the published schema in a pool of its own, with the fields added, so JSON form and bytes
are what Envoy expects. For `encode.py`.
"""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

from google.protobuf import message_factory
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import ParseDict

JWT_TYPE = (
    "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication"
)


def jwt_bytes(config: dict[str, Any]) -> bytes:
    """The token filter's configuration without "@type"; has `claim_to_headers[].claim_path`."""
    pool = _jwt_pool()
    message = message_factory.GetMessageClass(
        pool.FindMessageTypeByName(JWT_TYPE.partition("/")[2])
    )
    return bytes(
        ParseDict(config, message(), descriptor_pool=pool).SerializeToString(
            deterministic=True
        )
    )


@cache
def _jwt_pool() -> DescriptorPool:
    from envoy.extensions.filters.http.jwt_authn.v3 import config_pb2

    pool = DescriptorPool()
    _copy(config_pb2.DESCRIPTOR, pool, set())
    return pool


BOOLEANS_OF_ENVOY = {
    "envoy.config.route.v3.RetryPolicy": {"refresh_cluster_on_retry": 14}
}
"""Fields of messages that Envoy has and the published classes lack, with their numbers."""
_REFRESH_CLUSTER_ON_RETRY = b"\x70\x01"
"""Field 14 of a RetryPolicy: true."""


def refreshing_in(scope: dict[str, Any]) -> list[tuple[int, int]]:
    """Host and route number of each `refresh_cluster_on_retry` in a scope."""
    found = []
    hosts = scope.get("route_configuration", {}).get("virtual_hosts", ())
    for host_number, host in enumerate(hosts):
        for number, route in enumerate(host.get("routes", ())):
            retries = route.get("route", {}).get("retry_policy", {})
            if "refresh_cluster_on_retry" in retries:
                found.append((host_number, number))
    return found


def without_refreshing(
    scope: dict[str, Any], places: list[tuple[int, int]]
) -> dict[str, Any]:
    """A copy of a scope without `refresh_cluster_on_retry` at these places; itself without any."""
    if not places:
        return scope
    copied = copy.deepcopy(scope)
    for host, number in places:
        route = copied["route_configuration"]["virtual_hosts"][host]["routes"][number]
        del route["route"]["retry_policy"]["refresh_cluster_on_retry"]
    return copied


def add_refreshing(message: Any, places: list[tuple[int, int]]) -> None:
    """Add `refresh_cluster_on_retry` to an encoded scope, at these places."""
    for host, number in places:
        route = message.route_configuration.virtual_hosts[host].routes[number].route
        route.retry_policy.MergeFromString(_REFRESH_CLUSTER_ON_RETRY)


def _copy(file: FileDescriptor, pool: DescriptorPool, done: set[str]) -> None:
    if file.name in done:
        return
    done.add(file.name)
    for needed in file.dependencies:
        _copy(needed, pool, done)
    content = FileDescriptorProto()
    file.CopyToProto(content)
    for message in content.message_type:
        if message.name == "JwtClaimToHeader":
            _add_claim_path(message, content.package)
    pool.Add(content)


def _add_claim_path(message: DescriptorProto, package: str) -> None:
    """Nothing to do once the published classes have it."""
    if any(field.name == "claim_path" for field in message.field):
        return
    segment = message.nested_type.add(name="PathSegment")
    segment.field.add(
        name="key",
        number=1,
        type=FieldDescriptorProto.TYPE_STRING,
        label=FieldDescriptorProto.LABEL_OPTIONAL,
    )
    message.field.add(
        name="claim_path",
        number=3,
        type=FieldDescriptorProto.TYPE_MESSAGE,
        label=FieldDescriptorProto.LABEL_REPEATED,
        type_name=f".{package}.JwtClaimToHeader.PathSegment",
    )
