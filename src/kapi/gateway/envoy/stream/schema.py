"""Messages of Envoy's API with fields of Envoy 1.40 that the published Python classes lack. Pure.

A copy of the published schema in a pool of its own, with the fields added, so JSON form and bytes
are what Envoy expects. For `encode.py`.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from envoy.extensions.filters.http.jwt_authn.v3 import config_pb2
from google.protobuf import message_factory
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import ParseDict

JWT_TYPE = "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication"


def jwt_bytes(config: dict[str, Any]) -> bytes:
    """The token filter's configuration without "@type"; has `claim_to_headers[].claim_path`."""
    pool = _jwt_pool()
    message = message_factory.GetMessageClass(
        pool.FindMessageTypeByName(JWT_TYPE.partition("/")[2])
    )
    return bytes(
        ParseDict(config, message(), descriptor_pool=pool).SerializeToString(deterministic=True)
    )


@cache
def _jwt_pool() -> DescriptorPool:
    pool = DescriptorPool()
    _copy(config_pb2.DESCRIPTOR, pool, set())
    return pool


_REFRESH_CLUSTER_ON_RETRY = b"\x70\x01"
"""Field 14 of a RetryPolicy: true."""


def take_refreshing(scope: dict[str, Any]) -> list[tuple[int, int]]:
    """Remove `refresh_cluster_on_retry` from a scope; host and route number of each that had it."""
    found = []
    hosts = scope.get("route_configuration", {}).get("virtual_hosts", ())
    for host_number, host in enumerate(hosts):
        for number, route in enumerate(host.get("routes", ())):
            retries = route.get("route", {}).get("retry_policy", {})
            if retries.pop("refresh_cluster_on_retry", False):
                found.append((host_number, number))
    return found


def add_refreshing(message: Any, places: list[tuple[int, int]]) -> None:
    """Add `refresh_cluster_on_retry` to an encoded scope, at what `take_refreshing` answered."""
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
