"""Envoy resources from JSON form to protobuf bytes. Deterministic: the hash is the version."""

from __future__ import annotations

import copy
from typing import Any

# ParseDict finds the message of an "@type" only when its module has been imported.
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.core.v3 import extension_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import scoped_route_pb2
from envoy.extensions.access_loggers.file.v3 import file_pb2 as _file  # noqa: F401
from envoy.extensions.access_loggers.filters.cel.v3 import cel_pb2 as _cel  # noqa: F401
from envoy.extensions.access_loggers.grpc.v3 import als_pb2 as _als  # noqa: F401
from envoy.extensions.common.matching.v3 import extension_matcher_pb2 as _matching  # noqa: F401
from envoy.extensions.filters.common.matcher.action.v3 import skip_action_pb2 as _skip  # noqa: F401
from envoy.extensions.filters.http.composite.v3 import composite_pb2 as _composite  # noqa: F401
from envoy.extensions.filters.http.cors.v3 import cors_pb2 as _cors  # noqa: F401
from envoy.extensions.filters.http.grpc_json_transcoder.v3 import (
    transcoder_pb2 as _json,  # noqa: F401
)
from envoy.extensions.filters.http.grpc_web.v3 import grpc_web_pb2 as _web  # noqa: F401
from envoy.extensions.filters.http.header_mutation.v3 import (
    header_mutation_pb2 as _mutation,  # noqa: F401
)
from envoy.extensions.filters.http.jwt_authn.v3 import config_pb2 as _jwt  # noqa: F401
from envoy.extensions.filters.http.lua.v3 import lua_pb2 as _lua  # noqa: F401
from envoy.extensions.filters.http.rbac.v3 import rbac_pb2 as _rbac  # noqa: F401
from envoy.extensions.filters.http.router.v3 import router_pb2 as _router  # noqa: F401
from envoy.extensions.filters.http.set_filter_state.v3 import (
    set_filter_state_pb2 as _state,  # noqa: F401
)
from envoy.extensions.filters.http.upstream_codec.v3 import (
    upstream_codec_pb2 as _codec,  # noqa: F401
)
from envoy.extensions.filters.http.wasm.v3 import wasm_pb2 as _wasm  # noqa: F401
from envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2 as _hcm,  # noqa: F401
)
from envoy.extensions.formatter.cel.v3 import cel_pb2 as _cel_formatter  # noqa: F401
from envoy.extensions.http.early_header_mutation.header_mutation.v3 import (
    header_mutation_pb2 as _early,  # noqa: F401
)
from envoy.extensions.router.cluster_specifiers.matcher.v3 import (
    matcher_pb2 as _specifier,  # noqa: F401
)
from envoy.extensions.transport_sockets.quic.v3 import quic_transport_pb2 as _quic  # noqa: F401
from envoy.extensions.transport_sockets.tls.v3 import secret_pb2
from envoy.extensions.transport_sockets.tls.v3 import tls_pb2 as _tls  # noqa: F401
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2 as _http  # noqa: F401
from envoy.type.matcher.v3 import http_inputs_pb2 as _inputs  # noqa: F401
from google.protobuf import wrappers_pb2 as _wrappers  # noqa: F401
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
    if config.get("@type") == JWT_TYPE:
        given["typed_config"] = {}
    refreshing = take_refreshing(given) if type_url == SCOPE else []
    message = ParseDict(given, _MESSAGES[type_url]())
    add_refreshing(message, refreshing)
    if config.get("@type") == JWT_TYPE:
        message.typed_config.type_url, message.typed_config.value = (
            config.pop("@type"),
            jwt_bytes(config),
        )
    return resource(type_url, value["name"], message.SerializeToString(deterministic=True))


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
