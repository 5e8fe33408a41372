"""HTTP rules of proto files: untrusted zips, mistakes, and routes that reach one method each."""

from __future__ import annotations

import base64
import io
import zipfile
from typing import Any

import pytest
from google.api import annotations_pb2
from google.protobuf import descriptor_pb2

from kapi.apis.compile import compile_api
from kapi.apis.ir import Api
from kapi.gateway.deployment.proto_compiler import with_transcoding
from kapi.gateway.envoy.resources.routes.grpc.transcoded import template_pattern
from kapi.policies import POLICIES, Place
from kapi.policies.kinds.grpc import JSON_FILTER, Transcoding, envoy

CONF = """
name: Shop
basePath: /shop
version: v1
type: GRPC
grpc: {transcoding: true}
endpointConfigurations: {production: {endpoint: "http://shop:50051"}}
operations:
- {target: Orders, verb: Get, secured: false}
- {target: Orders, verb: Delete}
"""
TYPES = 'syntax = "proto3"; package shop.v1; message Order { string id = 1; }\n'
SERVICE = """syntax = "proto3";
package shop.v1;
import "google/api/annotations.proto";
import "types/order.proto";
service Orders {
  rpc Get (Order) returns (Order) { option (google.api.http) = {
    get: "/orders/{id}" additional_bindings { post: "/orders:find" body: "*" } }; }
  rpc Delete (Order) returns (Order) { option (google.api.http) = { delete: "/orders/{id}" }; }
}
"""


def packed(**more: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("service.proto", SERVICE)
        archive.writestr("types/order.proto", TYPES)
        for name, text in more.items():
            archive.writestr(name, text)
    return content.getvalue()


def compiled(definition: bytes) -> tuple[Api, list[str]]:
    found = compile_api(
        CONF.encode(), definition, organization="default", policies=POLICIES
    )
    made, mistakes = with_transcoding(found.api, found.conf, definition)
    return made, [item.message for item in mistakes]


def rules(api: Api) -> list[Transcoding]:
    nodes = (node for item in api.operations for node in item.policies)
    return [node for node in nodes if isinstance(node, Transcoding)]


def test_each_rule_of_a_zip_is_an_operation() -> None:
    api, mistakes = compiled(packed())
    assert mistakes == []
    assert [(node.method, node.http_method, node.template) for node in rules(api)] == [
        ("Get", "POST", "/orders:find"),
        ("Get", "GET", "/orders/{id}"),
        ("Delete", "DELETE", "/orders/{id}"),
    ]


def test_the_transcoder_of_a_route_knows_one_rule() -> None:
    api, _ = compiled(packed())
    for operation in api.operations:
        node = next(
            (item for item in operation.policies if isinstance(item, Transcoding)), None
        )
        if node is None:
            continue
        place = Place(
            api, operation, operation.production, "host", "/shop.v1", sandbox=False
        )
        config: dict[str, Any] = envoy(node, place).per_route[JSON_FILTER]
        content = base64.b64decode(config["proto_descriptor_bin"])
        files = descriptor_pb2.FileDescriptorSet.FromString(content).file
        methods = [
            method for file in files for item in file.service for method in item.method
        ]
        known = {
            method.name: method.options.Extensions[annotations_pb2.http]
            for method in methods
            if method.options.HasExtension(annotations_pb2.http)
        }
        assert list(known) == [node.method]
        rule = known[node.method]
        assert getattr(rule, node.http_method.lower()) == f"/shop.v1{node.template}"
        assert not rule.additional_bindings


@pytest.mark.parametrize(
    "name", ["@options.proto", "-I.proto", "../out.proto", "/tmp/out.proto"]
)
def test_names_in_a_zip_are_no_options_and_lead_nowhere_else(name: str) -> None:
    _, mistakes = compiled(packed(**{name: 'syntax = "proto3"; package shop.v1;'}))
    assert mistakes == []


def test_a_name_that_is_a_file_and_a_folder_is_a_mistake() -> None:
    _, mistakes = compiled(packed(**{"service.proto/x.proto": 'syntax = "proto3";'}))
    assert len(mistakes) == 1
    assert mistakes[0].startswith("the zip cannot be unpacked")


def test_what_the_compiler_says_is_told_without_paths_of_this_machine() -> None:
    _, mistakes = compiled(
        packed(**{"other.proto": 'syntax = "proto3"; import "missing.proto";'})
    )
    assert len(mistakes) == 1
    assert "missing.proto" in mistakes[0]
    assert "/tmp" not in mistakes[0]


@pytest.mark.parametrize(
    ("template", "pattern"),
    [
        ("/orders", "/orders"),
        ("/orders/{id}", "/orders/[^/]+"),
        ("/{name=shelves/*/books/*}:read", "/shelves/[^/]+/books/[^/]+:read"),
        ("/files/{path=**}", "/files/.*"),
    ],
)
def test_templates_are_expressions(template: str, pattern: str) -> None:
    assert template_pattern(template) == pattern
