"""Definitions in, apk-conf out."""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path

import pytest
import yaml

from kapi.apis.compile import compile_api, compile_definition
from kapi.apis.definitions import parse_definition
from kapi.apis.generate import generate, generated
from kapi.apis.model.choices import Choices, Wanted
from kapi.errors import Invalid
from kapi.policies import POLICIES

EXAMPLES = Path(__file__).parents[2] / "examples"
PROTO = b'syntax = "proto3";\npackage shop.v2;\nservice Orders { rpc Get (A) returns (B); }\n'


def test_the_sample_of_apk_comes_out_byte_by_byte() -> None:
    content = (EXAMPLES / "employee" / "EmployeeServiceDefinition.json").read_bytes()
    assert (
        generate(content)
        == (EXAMPLES / "employee" / "EmployeeService.apk-conf").read_text()
    )
    assert 'basePath: "/RW1wbG95ZWVTZXJ2aWNlQVBJMy4xNA"\n' in generate(content)


def test_what_is_generated_compiles() -> None:
    content = (EXAMPLES / "employee" / "EmployeeServiceDefinition.json").read_bytes()
    compiled = compile_api(
        generate(content).encode(), content, organization="default", policies=POLICIES
    )
    assert compiled.api.base_path == "/RW1wbG95ZWVTZXJ2aWNlQVBJMy4xNA/3.14"
    assert compiled.warnings == ()


@pytest.mark.parametrize(
    ("file_name", "api_type"),
    [("petstore/openapi.yaml", "REST"), ("graphql/schema.graphql", "GRAPHQL")],
)
def test_a_definition_alone_is_compiled_as_with_the_conf_that_is_generated_of_it(
    file_name: str, api_type: str
) -> None:
    content = (EXAMPLES / file_name).read_bytes()
    choices = Choices(name='So "named"', production="http://b.example", version="1.10")
    made = generated(content, api_type, "a.graphql", choices)
    to = {"organization": "default", "policies": POLICIES}
    apart = compile_api(made.conf_text.encode(), content, **to)
    alone = compile_definition(content, Wanted(api_type, "a.graphql", choices), **to)
    assert alone.generated == made.conf_text
    assert (alone.api, alone.conf_text) == (apart.api, apart.conf_text)
    assert alone.warnings == (*apart.warnings, *made.warnings)


def test_a_definition_alone_needs_an_endpoint() -> None:
    definition = (EXAMPLES / "petstore" / "openapi.yaml").read_bytes()
    wanted = Wanted("REST")
    with pytest.raises(Invalid) as caught:
        compile_definition(
            definition, wanted, organization="default", policies=POLICIES
        )
    (mistake,) = caught.value.diagnostics
    assert (mistake.source, mistake.severity) == ("definitionFile", "error")
    assert mistake.hint.startswith("Give --endpoint URL")


def test_the_petstore_has_its_19_operations_and_its_conf_compiles_without_a_warning() -> (
    None
):
    definition = (EXAMPLES / "petstore" / "openapi.yaml").read_bytes()
    compiled = compile_api(
        (EXAMPLES / "petstore" / "petstore.apk-conf").read_bytes(),
        definition,
        organization="default",
        policies=POLICIES,
    )
    assert len(compiled.api.operations) == 19
    assert compiled.warnings == ()


def test_without_an_absolute_server_the_endpoint_is_left_to_the_person() -> None:
    definition = (EXAMPLES / "petstore" / "openapi.yaml").read_bytes()
    conf = generate(definition)
    assert "endpointConfigurations" not in conf
    with pytest.raises(Invalid) as caught:
        compile_api(
            conf.encode(), definition, organization="default", policies=POLICIES
        )
    assert (
        caught.value.diagnostics[0].message
        == "production/sandbox endpoint not available for /pet and 18 more"
    )
    assert len(caught.value.diagnostics) == 1
    assert "endpointConfigurations" in caught.value.diagnostics[0].hint


@pytest.mark.parametrize("title", ["x>>>?", "??>", "Ünï¢ödé ÿÿÿ", "a/b+c"])
def test_a_made_base_path_is_one_plain_segment(title: str) -> None:
    content = (
        f'{{"openapi": "3.0.3", "info": {{"title": "{title}", "version": "1.0"}}, "servers": '
        f'[{{"url": "http://b"}}], '
    )
    content += '"paths": {"/a": {"get": {}}}}'
    compiled = compile_api(
        generate(content.encode()).encode(),
        content.encode(),
        organization="default",
        policies=POLICIES,
    )
    assert compiled.api.base_path.count("/") == 2


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "REST"),
        (b"\xff", "REST"),
        (b"[]", "REST"),
        (b"openapi: 3.0.0", "REST"),
        (
            b'{"openapi": "4.0.0", "info": {"title": "a", "version": "1"}, "paths": {}}',
            "REST",
        ),
        (b'{"openapi": "3.0.0", "info": 1, "paths": [], "servers": {}}', "REST"),
        (
            (
                b'{"openapi": "3.0.0", "info": {"title": 1, "version": 2}, "paths": {"a": 1, "/b": '
                b"2, "
                b'"/c": {"get": 3}}, "security": [1]}'
            ),
            "REST",
        ),
        (
            (
                b'{"openapi": "3.0.0", "info": {"title": "a", "version": "1"}, "paths": {"/a": '
                b'{"$ref": "#/paths/~1a"}}}'
            ),
            "REST",
        ),
        (b'{"a":' * 3000, "REST"),
        (b"type Query {", "GRAPHQL"),
        (b"type Query { a: Missing }", "GRAPHQL"),
        (b"type NoRoot { a: Int }", "GRAPHQL"),
        (b"type Query { a: " + b"[" * 50_000, "GRAPHQL"),
        (b"service A {", "GRPC"),
        (b'syntax = "proto3"; message A {}', "GRPC"),
        (b"PK\x03\x04 not a zip", "GRPC"),
        (PROTO, "REST"),
        (PROTO, "SOAP"),
    ],
    ids=lambda value: repr(value[:24]),
)
def test_a_definition_with_mistakes_is_refused_with_code_90091(
    content: bytes, kind: str
) -> None:
    with pytest.raises(Invalid) as caught:
        parse_definition(content, kind)
    assert (caught.value.status, caught.value.code) == (400, "90091")
    assert caught.value.diagnostics


def test_proto_files_come_in_a_zip_of_bounded_size() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/orders.proto", PROTO)
        archive.writestr("README.md", "not read")
    definition = parse_definition(packed.getvalue(), "GRPC")
    assert [
        (operation.target, operation.verb) for operation in definition.operations
    ] == [("Orders", "Get")]
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.proto", b" " * 20_000_000)
    with pytest.raises(Invalid, match="holds more than"):
        parse_definition(bomb.getvalue(), "GRPC")


def test_a_proto_says_which_methods_are_streams() -> None:
    methods = (
        "rpc One (A) returns (B); rpc Down (A) returns (stream B) { option deprecated = true; }"
        " rpc Up (stream A) returns (B); rpc Both(stream .x.A)returns(stream B);"
        " rpc Named (stream) returns (stream);"
    )
    content = f'syntax = "proto3"; package x.v1; service S {{ {methods} }}'
    operations = parse_definition(content.encode(), "GRPC").operations
    assert {item.verb: item.streams for item in operations} == {
        "One": False,
        "Down": True,
        "Up": True,
        "Both": True,
        "Named": False,
    }


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, 1]
)
def test_a_zip_that_cannot_be_unpacked_is_refused(method: int) -> None:
    """The content is not compressed as the directory says; no reader knows method 1."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("a.proto", b"\t\4\5\0" + b"\xff" * 100)
    damaged = bytearray(packed.getvalue())
    damaged[damaged.index(b"PK\1\2") + 10] = method
    with pytest.raises(Invalid, match="the zip cannot be read"):
        parse_definition(bytes(damaged), "GRPC")


def test_a_zip_is_named_after_all_its_services_in_archive_order() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in ("z.proto", "a.proto"):
            services = (
                f"service {name[0].upper()}One {{ rpc Get (R) returns (R); }} service "
                f"{name[0].upper()}Two {{ rpc Get (R) returns (R); }}"
            )
            archive.writestr(
                name, f'syntax = "proto3"; package org.apk.v1.x; {services}'
            )
    definition = parse_definition(packed.getvalue(), "GRPC")
    assert (
        definition.name
        == hashlib.sha1(b"ZOne-ZTwo-AOne-ATwo-", usedforsecurity=False).hexdigest()
    )


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"/*" * 900_000, "GRPC"),
        (b'"' + b'\\"' * 900_000, "GRPC"),
        (b"'" + b"\\'" * 900_000, "GRPC"),
        (b"\n" * 200_000 + b"x", "GRPC"),
        (b"\n" * 200_000 + b"x", "GRAPHQL"),
    ],
    ids=["comments", "texts", "other texts", "blank lines", "blank lines of a schema"],
)
def test_every_character_of_a_definition_is_read_once(
    content: bytes, kind: str
) -> None:
    """Read again from each comment or text that does not end, these would take hours."""
    with pytest.raises(Invalid):
        parse_definition(content, kind)


@pytest.mark.parametrize("listed", ["[null]", "[null, {}]", "[{}]", "[1]"])
def test_a_security_requirement_that_lists_no_texts_is_a_mistake(listed: str) -> None:
    definition = (
        f'{{"openapi":"3.0.3","info":{{"title":"t","version":"1"}},"paths":{{}},'
        f'"security":[{{"default":{listed}}}]}}'
    )
    with pytest.raises(Invalid) as error:
        generate(definition.encode())
    assert "expected type: String" in error.value.diagnostics[0].message


SCHEMA = b"type Query { hero: String } type Mutation { add(name: String!): String }"


def test_a_schema_is_named_by_its_file_or_as_chosen() -> None:
    made = generated(
        SCHEMA, "GRAPHQL", "star wars.graphql", Choices(production="http://b:80")
    )
    conf = yaml.safe_load(made.conf_text)
    assert (conf["name"], conf["version"], conf["basePath"]) == (
        "star wars",
        "1.0.0",
        "/star-wars",
    )
    assert [item.message for item in made.warnings] == [
        "the definition has no name; it becomes [star wars]",
        "the definition has no version; it becomes 1.0.0",
    ]
    compile_api(
        made.conf_text.encode(), SCHEMA, organization="default", policies=POLICIES
    )
    chosen = Choices("/sw", "http://b:80", name="Star Wars", version="2")
    made = generated(SCHEMA, "GRAPHQL", "schema.graphql", chosen)
    conf = yaml.safe_load(made.conf_text)
    assert (conf["name"], conf["version"], conf["basePath"]) == (
        "Star Wars",
        "2",
        "/sw",
    )
    assert made.warnings == ()


@pytest.mark.parametrize("file_name", ["", "-", "...", "пример.graphql", "a" * 300])
def test_any_file_name_gives_a_conf_that_can_be_deployed(file_name: str) -> None:
    made = generated(SCHEMA, "GRAPHQL", file_name, Choices(production="http://b:80"))
    compile_api(
        made.conf_text.encode(), SCHEMA, organization="default", policies=POLICIES
    )
