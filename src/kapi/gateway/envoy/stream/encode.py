"""Envoy resources from JSON form to protobuf bytes. Deterministic: the hash is the version."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import Any

from google.protobuf import wrappers_pb2 as _wrappers  # noqa: F401 - for ParseDict
from google.protobuf.json_format import ParseDict

from kapi.gateway.envoy.resources.names import (
    CLUSTER,
    EXTENSION,
    LISTENER,
    SCOPE,
    SECRET,
)
from kapi.gateway.envoy.resources.resource import Resource, resource
from kapi.gateway.envoy.stream.schema import (
    JWT_TYPE,
    add_refreshing,
    jwt_bytes,
    refreshing_in,
    without_refreshing,
)
from kapi.gateway.envoy.stream.wire import import_messages, message_bytes

_MESSAGES: Mapping[str, tuple[str, str]] = {
    CLUSTER: ("config.cluster.v3.cluster_pb2", "Cluster"),
    EXTENSION: ("config.core.v3.extension_pb2", "TypedExtensionConfig"),
    LISTENER: ("config.listener.v3.listener_pb2", "Listener"),
    SCOPE: ("config.route.v3.scoped_route_pb2", "ScopedRouteConfiguration"),
    SECRET: ("extensions.transport_sockets.tls.v3.secret_pb2", "Secret"),
}
"""Module and class of the messages of each type."""


@cache
def _message_of(type_url: str) -> Any:
    """The class of the messages of a type; imports its module."""
    module, name = _MESSAGES[type_url]
    return getattr(import_module(f"envoy.{module}"), name)


def encode(type_url: str, value: dict[str, Any]) -> Resource:
    """Encode one resource; its `name` field is its name."""
    kind, config = _message_of(type_url), value.get("typed_config", {})
    content = _content(config)
    if content is None:
        body = _body(type_url, kind, value)
    else:
        message = _parsed(kind, {**value, "typed_config": {}})
        message.typed_config.type_url, message.typed_config.value = (
            config["@type"],
            content,
        )
        body = message.SerializeToString(deterministic=True)
    return resource(type_url, value["name"], body)


def _body(type_url: str, kind: Any, value: dict[str, Any]) -> bytes:
    try:
        return message_bytes(kind.DESCRIPTOR, value)
    except (
        Exception
    ):  # Whatever it is, `ParseDict` reads it, or names the place of the mistake.
        refreshing: list[tuple[int, int]] = []
        if type_url == SCOPE:
            refreshing = refreshing_in(value)
        message = _parsed(kind, without_refreshing(value, refreshing))
        add_refreshing(message, refreshing)
        return bytes(message.SerializeToString(deterministic=True))


def _parsed(kind: Any, value: dict[str, Any]) -> Any:
    # ParseDict removes "@type" from a dictionary while it reads it, and renderers share theirs
    # between threads.
    given = copy.deepcopy(value)
    for type_url in _types(given):
        import_messages(type_url)
    return ParseDict(given, kind())


def _content(config: dict[str, Any]) -> bytes | None:
    """Bytes of a configuration that the published Python classes may not have."""
    fields = {name: value for name, value in config.items() if name != "@type"}
    if config.get("@type") == JWT_TYPE:
        return jwt_bytes(fields)
    if config and not fields:
        return b""
    return None


def _types(value: Any) -> Iterator[str]:
    """The messages that a value names by `@type`."""
    if isinstance(value, dict):
        if "@type" in value:
            yield value["@type"]
        for item in value.values():
            yield from _types(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _types(item)


def unpoisoned(item: Resource) -> bytes:
    """The same scope under another route name.

    Envoy keeps a scope that was in one message with a rejected one, but never uses it, and skips it
    as unchanged when it is sent again. Only a changed one is used.
    """
    if item.type_url != SCOPE:
        return item.body
    message = _message_of(SCOPE).FromString(item.body)
    message.route_configuration.name += "~"
    return bytes(message.SerializeToString(deterministic=True))
