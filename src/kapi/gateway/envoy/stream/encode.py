"""Envoy resources from JSON form to protobuf bytes. Deterministic: the hash is the version."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.core.v3 import extension_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import scoped_route_pb2
from envoy.extensions.transport_sockets.tls.v3 import secret_pb2
from google.protobuf import wrappers_pb2 as _wrappers  # noqa: F401 - for ParseDict
from google.protobuf.json_format import ParseDict

from kapi.gateway.envoy.resources.names import CLUSTER, EXTENSION, LISTENER, SCOPE, SECRET
from kapi.gateway.envoy.resources.resource import Resource, resource
from kapi.gateway.envoy.stream.schema import JWT_TYPE, add_refreshing, jwt_bytes, take_refreshing

_MESSAGES: dict[str, Any] = {
    CLUSTER: cluster_pb2.Cluster,
    EXTENSION: extension_pb2.TypedExtensionConfig,
    LISTENER: listener_pb2.Listener,
    SCOPE: scoped_route_pb2.ScopedRouteConfiguration,
    SECRET: secret_pb2.Secret,
}


def encode(type_url: str, value: dict[str, Any]) -> Resource:
    """Encode one resource; its `name` field is its name."""
    # ParseDict removes "@type" from a dictionary while it reads it, and renderers share theirs
    # between threads.
    given = copy.deepcopy(value)
    config = given.get("typed_config", {})
    content = _content(config)
    if content is not None:
        given["typed_config"] = {}
    for package in _packages(given):
        _import_messages(package)
    refreshing = []
    if type_url == SCOPE:
        refreshing = take_refreshing(given)
    message = ParseDict(given, _MESSAGES[type_url]())
    add_refreshing(message, refreshing)
    if content is not None:
        message.typed_config.type_url, message.typed_config.value = config["@type"], content
    return resource(type_url, value["name"], message.SerializeToString(deterministic=True))


def _content(config: dict[str, Any]) -> bytes | None:
    """Bytes of a configuration that the published Python classes may not have."""
    fields = {name: value for name, value in config.items() if name != "@type"}
    if config.get("@type") == JWT_TYPE:
        return jwt_bytes(fields)
    if config and not fields:
        return b""
    return None


def _packages(value: Any) -> Iterator[str]:
    """The protobuf packages of the messages that a value names by `@type`."""
    if isinstance(value, dict):
        if "@type" in value:
            yield value["@type"].rpartition("/")[2].rpartition(".")[0]
        for item in value.values():
            yield from _packages(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _packages(item)


@cache
def _import_messages(package: str) -> None:
    """ParseDict finds a message by its name only when its module has been imported."""
    if package.startswith("google."):
        return
    for module in iter_modules(import_module(package).__path__):
        if module.name.endswith("_pb2"):
            import_module(f"{package}.{module.name}")


def unpoisoned(item: Resource) -> bytes:
    """The same scope under another route name.

    Envoy keeps a scope that was in one message with a rejected one, but never uses it, and skips it
    as unchanged when it is sent again. Only a changed one is used.
    """
    if item.type_url != SCOPE:
        return item.body
    message = scoped_route_pb2.ScopedRouteConfiguration.FromString(item.body)
    message.route_configuration.name += "~"
    return bytes(message.SerializeToString(deterministic=True))
