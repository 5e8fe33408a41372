"""What real OpenAPI documents hold: all of it is carried over into the conf, or named in a warning;
and what is made can be deployed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
import yaml

from kapi.apis.compile import compile_api
from kapi.apis.definitions import openapi
from kapi.apis.generate import Generated, generated, place_in_definition
from kapi.apis.model.choices import Choices
from kapi.apis.report import Report
from kapi.errors import Diagnostic, Invalid
from kapi.policies import POLICIES

SCHEMES = {
    "oauth": {"type": "oauth2", "flows": {}},
    "oidc": {"type": "openIdConnect", "openIdConnectUrl": "https://idp.example"},
    "key": {"type": "apiKey", "in": "header", "name": "X-Key"},
    "basic": {"type": "http", "scheme": "basic"},
    "bearer": {"type": "http", "scheme": "bearer"},
    "tls": {"type": "mutualTLS"},
    "again": {"$ref": "#/components/securitySchemes/oauth"},
}


def document(paths: Any = None, **more: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "Shop", "version": "1.0"},
        "servers": [{"url": "https://b.example"}],
    }
    return {**base, "paths": {"/a": {"get": {}}} if paths is None else paths, **more}


def made(value: Any, **choices: str) -> Generated:
    content = value if isinstance(value, bytes) else json.dumps(value).encode()
    result = generated(content, choices=Choices(**choices))
    compile_api(
        result.conf_text.encode(), content, organization="default", policies=POLICIES
    )
    return result


def operations(result: Generated) -> dict[str, dict[str, Any]]:
    listed: list[dict[str, Any]] = yaml.safe_load(result.conf_text)["operations"]
    return {f"{item['verb']} {item['target']}": item for item in listed}


def messages(result: Generated) -> str:
    return "\n".join(item.message for item in result.warnings)


def refused(content: bytes | dict[str, Any], **choices: str) -> tuple[Diagnostic, ...]:
    with pytest.raises(Invalid) as caught:
        generated(
            content if isinstance(content, bytes) else json.dumps(content).encode(),
            choices=Choices(**choices),
        )
    assert caught.value.code == "90091"
    return caught.value.diagnostics


def secured_by(*requirements: dict[str, list[str]], **operation: Any) -> dict[str, Any]:
    paths = {"/a": {"get": {"security": list(requirements), **operation}}}
    return operations(made(document(paths, components={"securitySchemes": SCHEMES})))[
        "GET /a"
    ]


# security


@pytest.mark.parametrize(
    "scheme", ["oauth", "oidc", "again", "default", "OAuth2Security", "nowhere"]
)
def test_scopes_of_every_scheme_that_has_scopes_are_carried_over(scheme: str) -> None:
    assert secured_by({scheme: ["read", "write"]})["scopes"] == ["read", "write"]


def test_scopes_of_swagger_are_carried_over() -> None:
    old = {
        "swagger": "2.0",
        "info": {"title": "t", "version": "1"},
        "host": "b.example",
        "schemes": ["https"],
    }
    old |= {
        "securityDefinitions": {"petstore_auth": {"type": "oauth2"}},
        "security": [{"petstore_auth": ["read:pets"]}],
    }
    old |= {"paths": {"/a": {"get": {}}}}
    assert operations(made(old))["GET /a"]["scopes"] == ["read:pets"]


def test_schemes_of_one_requirement_are_all_needed() -> None:
    assert secured_by({"oauth": ["read"], "oidc": ["email"]})["scopes"] == [
        "read",
        "email",
    ]


def test_requirements_are_alternatives() -> None:
    operation = secured_by(
        {"oauth": ["read"]}, {"oauth": ["admin", "audit"]}, {"oidc": ["read"]}
    )
    assert (operation["scopes"], operation["scopeAlternatives"]) == (
        [],
        [["read"], ["admin", "audit"]],
    )


def test_an_alternative_that_asks_for_more_than_another_one_says_nothing() -> None:
    operation = secured_by({"oauth": ["read", "write"]}, {"oauth": ["read"]})
    assert (operation["scopes"], "scopeAlternatives" in operation) == (["read"], False)
    assert secured_by({"oauth": ["read"]}, {"oauth": []})["scopes"] == []


def test_scopes_of_one_text_are_several() -> None:
    assert secured_by({"oauth": ["read write"]})["scopes"] == ["read", "write"]


def test_another_scheme_as_an_alternative_does_not_open_the_operation() -> None:
    assert secured_by({"oauth": ["read"]}, {"key": []})["scopes"] == ["read"]
    assert secured_by({"oauth": ["read"]}, {"bearer": []})["scopes"] == ["read"]


@pytest.mark.parametrize("requirements", [[], [{}], [{"oauth": ["read"]}, {}]])
def test_an_operation_without_security_is_open_with_a_warning(
    requirements: list[Any],
) -> None:
    for value in (
        document({"/a": {"get": {"security": requirements}}}),
        document(security=requirements),
    ):
        result = made({**value, "components": {"securitySchemes": SCHEMES}})
        assert operations(result)["GET /a"]["secured"] is False
        assert "GET /a may be called without a credential" in messages(result)


def test_without_a_word_about_security_a_token_is_asked_for() -> None:
    result = made(document())
    assert operations(result)["GET /a"]["secured"] is True
    assert result.warnings == ()


@pytest.mark.parametrize(
    ("scheme", "text"),
    [
        ("key", "API key in header X-Key"),
        ("basic", "HTTP basic"),
        ("tls", "client certificate"),
        ("none", "not declared"),
    ],
)
def test_a_scheme_that_is_not_enforced_is_named(scheme: str, text: str) -> None:
    paths = {f"/{name}": {"get": {}} for name in "abcde"}
    result = made(
        document(
            paths, components={"securitySchemes": SCHEMES}, security=[{scheme: []}]
        )
    )
    assert all(item["secured"] for item in operations(result).values())
    (warning,) = result.warnings
    assert warning.message.startswith(
        f"security scheme {scheme} ({text}) is not enforced"
    )
    assert "GET /a, GET /b, GET /c and 2 more" in warning.message
    assert warning.hint


def test_a_scope_that_no_token_can_have_leaves_its_operation_out() -> None:
    paths = {"/a": {"get": {"security": [{"oauth": ['re"ad']}]}}, "/b": {"get": {}}}
    result = made(document(paths, components={"securitySchemes": SCHEMES}))
    assert list(operations(result)) == ["GET /b"]
    assert "GET /a is left out: no token can have the scope" in messages(result)


@pytest.mark.parametrize("value", ["s1, s2", "s1,s2", ["s1", "s2"]])
def test_x_scope_is_read_where_no_scheme_says_scopes(value: Any) -> None:
    assert secured_by({"key": []}, **{"x-scope": value})["scopes"] == ["s1", "s2"]
    assert secured_by({"oauth": ["read"]}, **{"x-scope": value})["scopes"] == ["read"]
    paths = {"/a": {"get": {"x-scope": value}}}
    operation = operations(made(document(paths)))["GET /a"]
    assert (operation["secured"], operation["scopes"]) == (True, ["s1", "s2"])


# what can be deployed


def test_the_first_absolute_server_is_the_endpoint() -> None:
    servers = [
        {"url": "/v2"},
        {"url": "https://{nowhere}/"},
        {"url": "https://b.example/v2"},
        {"url": "https://c.example"},
    ]
    result = made(document(servers=servers))
    assert (
        yaml.safe_load(result.conf_text)["endpointConfigurations"]["production"][
            "endpoint"
        ]
        == "https://b.example/v2"
    )
    assert "variable {nowhere} has no default" in messages(result)


def test_relative_servers_are_those_of_the_documents_own_place() -> None:
    for servers, endpoint in (
        ([{"url": "../v2"}], "https://d.example/v2"),
        ([], "https://d.example/"),
    ):
        result = made(
            document(servers=servers), url="https://d.example/docs/openapi.json"
        )
        assert (
            yaml.safe_load(result.conf_text)["endpointConfigurations"]["production"][
                "endpoint"
            ]
            == endpoint
        )


def test_a_swagger_document_without_a_host_is_served_from_its_own() -> None:
    old = {
        "swagger": "2.0",
        "info": {"title": "t", "version": "1"},
        "basePath": "/v1",
        "paths": {"/a": {"get": {}}},
    }
    result = made(old, url="https://d.example/docs/swagger.json")
    assert (
        yaml.safe_load(result.conf_text)["endpointConfigurations"]["production"][
            "endpoint"
        ]
        == "https://d.example/v1"
    )


@pytest.mark.parametrize(
    ("schemes", "endpoint"),
    [
        (["wss"], "https://b.example"),
        (["ws"], "http://b.example"),
        (["http", "wss"], "https://b.example"),
        (["http", "https"], "https://b.example"),
        ([], "http://b.example"),
    ],
)
def test_schemes_of_swagger(schemes: list[str], endpoint: str) -> None:
    old = {
        "swagger": "2.0",
        "info": {"title": "t", "version": "1"},
        "host": "b.example",
        "schemes": schemes,
        "paths": {"/a": {"get": {}}},
    }
    assert (
        yaml.safe_load(made(old).conf_text)["endpointConfigurations"]["production"][
            "endpoint"
        ]
        == endpoint
    )


def test_without_a_server_one_warning_asks_for_an_endpoint() -> None:
    content = json.dumps(
        document({f"/{name}": {"get": {}} for name in "abc"}, servers=[{"url": "/api"}])
    ).encode()
    result = generated(content)
    (warning,) = result.warnings
    assert "names no absolute server" in warning.message
    assert "--endpoint" in warning.hint
    with pytest.raises(Invalid) as caught:
        compile_api(
            result.conf_text.encode(),
            content,
            organization="default",
            policies=POLICIES,
        )
    assert [item.message for item in caught.value.diagnostics] == [
        "production/sandbox endpoint not available for /a and 2 more"
    ]
    assert made(document(servers=[]), production="http://b.example").warnings == ()


def test_long_titles_and_odd_versions_become_valid_with_a_note() -> None:
    result = made(
        document(
            info={
                "title": "Word " * 40,
                "version": "2.0 (beta/rc) & more, built on 2020-01-01",
            }
        )
    )
    conf = yaml.safe_load(result.conf_text)
    assert (conf["name"], conf["version"]) == (
        (("Word " * 12).strip()),
        "2.0-beta-rc-more-built-on-2020",
    )
    assert "the name is" in messages(result)
    assert "it becomes 2.0-beta" in messages(result)
    assert (
        yaml.safe_load(made(document(info={"title": "t", "version": ".."})).conf_text)[
            "version"
        ]
        == "1.0.0"
    )


@pytest.mark.parametrize("base_path", ["/a b", "/{x}", "/a%20b", "//", "/" + "x" * 300])
def test_a_base_path_that_cannot_be_served_is_replaced(base_path: str) -> None:
    result = made(document(**{"x-wso2-basePath": base_path}))
    assert yaml.safe_load(result.conf_text)["basePath"].startswith("/")


def test_paths_that_a_gateway_cannot_tell_apart_become_one() -> None:
    paths = {
        "/x/{id}": {"get": {}, "put": {}},
        "/x/{name}": {"get": {}},
        "/#Action=A": {"post": {}},
        "/#Action=B": {"post": {}},
    }
    paths |= {"/q?kind=a": {"get": {}}, "/q?kind=b": {"get": {}}}
    result = made(document(paths))
    assert list(operations(result)) == [
        "GET /x/{id}",
        "PUT /x/{id}",
        "POST /",
        "GET /q",
    ]
    for name in ("GET /x/{name}", "POST /#Action=B", "GET /q?kind=b"):
        assert f"{name} is one operation with" in messages(result)


def test_paths_that_differ_in_what_they_ask_for_and_cannot_be_told_apart_are_left_out() -> (
    None
):
    paths = {
        "/x/{id}": {"get": {"security": []}},
        "/x/{name}": {"get": {"security": [{"oauth": ["admin"]}]}},
        "/y": {"get": {}},
    }
    result = made(document(paths, components={"securitySchemes": SCHEMES}))
    assert list(operations(result)) == ["GET /y"]
    assert "GET /x/{id} is left out" in messages(result)
    assert "GET /x/{name} is left out" in messages(result)


@pytest.mark.parametrize(
    "path",
    [
        "/a b",
        "/a//b",
        "/{a}{b}",
        "/{proxy+}",
        "/ü",
        "/a%20",
        "/" + "x" * 300,
        "no-slash",
        "/{a",
    ],
)
def test_a_path_that_cannot_be_matched_is_left_out_by_name(path: str) -> None:
    result = made(document({path: {"get": {}}, "/y": {"get": {}}}))
    assert list(operations(result)) == ["GET /y"]
    (warning,) = result.warnings
    assert path[:80] in warning.message
    assert "left out" in warning.message


def test_nothing_to_deploy_is_said_with_its_reason() -> None:
    assert "has no operations" in refused(document({}))[0].message
    assert (
        "webhooks only"
        in refused({**document({}), "webhooks": {"new": {"post": {}}}})[0].message
    )
    only = {
        "openapi": "3.1.0",
        "info": {"title": "t", "version": "1"},
        "webhooks": {"new": {"post": {}}},
    }
    assert "webhooks only" in refused(only)[0].message
    assert (
        "none of the operations" in refused(document({"/a b": {"get": {}}}))[0].message
    )
    assert (
        "at most 2000"
        in refused(document({f"/{number}": {"get": {}} for number in range(2001)}))[
            0
        ].message
    )


# nothing is left out in silence


def test_methods_that_are_not_routed_and_methods_in_capitals() -> None:
    item = {
        "GET": {},
        "trace": {},
        "query": {},
        "gett": {},
        "additionalOperations": {"COPY": {}},
        "summary": "s",
        "parameters": [],
    }
    result = made({**document({"/a": item}), "openapi": "3.2.0"})
    assert list(operations(result)) == ["GET /a"]
    for part in (
        "GET of /a is read as get",
        "TRACE /a is left out",
        "QUERY /a is left out",
        "COPY /a is left out",
        "gett of /a is left out",
    ):
        assert part in messages(result)


def test_what_is_beside_a_reference_of_a_path_counts() -> None:
    shared = {"get": {"x-scope": "other"}, "put": {}}
    paths = {
        "/a": {
            "$ref": "#/components/pathItems/A",
            "get": {"x-scope": "own"},
            "delete": {},
        }
    }
    found = operations(made(document(paths, components={"pathItems": {"A": shared}})))
    assert {name: item["scopes"] for name, item in found.items()} == {
        "GET /a": ["own"],
        "PUT /a": [],
        "DELETE /a": [],
    }


def test_a_reference_may_be_percent_encoded() -> None:
    paths = {"/a/{id}": {"get": {}}, "/b/{id}": {"$ref": "#/paths/~1a~1%7Bid%7D"}}
    assert list(operations(made(document(paths)))) == ["GET /a/{id}", "GET /b/{id}"]


def test_merge_keys_of_yaml_are_carried_out() -> None:
    content = b"""openapi: 3.0.3
info: {title: t, version: "1"}
servers: [{url: "https://b.example"}]
x-common: &common {x-scope: read, summary: s}
x-more: &more {put: {}}
paths:
  /a:
    <<: *more
    get: {<<: *common}
    post: {<<: [*common], x-scope: write}
"""
    found = operations(made(content))
    assert {name: item["scopes"] for name, item in found.items()} == {
        "PUT /a": [],
        "GET /a": ["read"],
        "POST /a": ["write"],
    }


def test_equal_keys_are_refused_in_json_as_in_yaml() -> None:
    text = json.dumps(document(), indent=1)
    both = (
        text.replace('"/a": {', '"/a": {},\n  "/a": {').encode(),
        yaml.safe_dump(document()).replace("paths:", "paths: {}\npaths:").encode(),
    )
    for content in both:
        (mistake,) = refused(content)
        assert (mistake.code, "duplicate key" in mistake.message) == ("KAPI1003", True)
        assert mistake.line > 1


@pytest.mark.parametrize("name", ["path", "server", "Paths", "component", "swager"])
def test_an_unknown_field_at_the_top_is_a_mistake(name: str) -> None:
    (mistake,) = refused({**document(), name: {}})
    assert mistake.message == f"extraneous key [{name}] is not permitted"
    made(
        {
            **document(),
            "x-mine": {},
            "$schema": "https://spec.openapis.org/oas/3.1/schema",
        }
    )


@pytest.mark.parametrize("written", ["1.0", "1.10", "2", "-1.50"])
def test_a_version_without_quotes_is_taken_as_it_is_written(written: str) -> None:
    as_yaml = (
        f"openapi: 3.0.3\ninfo: {{title: t, version: {written}}}\n"
        f"servers: [{{url: 'https://b.example'}}]\npaths: {{/a: {{get: {{}}}}}}\n"
    )
    as_json = json.dumps(document()).replace('"1.0"', written)
    for content in (as_yaml, as_json):
        result = made(content.encode())
        assert yaml.safe_load(result.conf_text)["version"] == written.strip("-")
        assert f"version {written} is a number" in messages(result)


def test_openapi_3_2_is_read() -> None:
    assert list(
        operations(
            made(
                {
                    **document(),
                    "openapi": "3.2.0",
                    "$self": "https://d.example/openapi.json",
                }
            )
        )
    ) == ["GET /a"]


# places


def test_warnings_have_places_in_json_and_in_yaml() -> None:
    value = document({"/a": {"get": {}, "trace": {}}, "/b": {"get": {"security": []}}})
    for text in (json.dumps(value, indent=2), yaml.safe_dump(value, sort_keys=False)):
        lines = text.splitlines()
        for warning in made(text.encode()).warnings:
            name = "trace" if "TRACE" in warning.message else "security"
            assert (
                lines[warning.line - 1][warning.column - 1 :]
                .strip('"')
                .startswith(name)
            )


def test_mistakes_of_the_conf_have_places_in_the_definition() -> None:
    content = json.dumps(
        document({"/a": {"get": {}}, "/b": {"get": {}, "put": {}}}), indent=2
    ).encode()
    result = made(content)
    pointers = {
        "#/operations/2/target": '"/b"',
        "#/operations/2": '"put"',
        "#/version": '"version"',
        "#/name": '"title"',
        "#/other": "{",
    }
    found = place_in_definition(
        result,
        content,
        "REST",
        [Diagnostic("c", "m", pointer=pointer) for pointer in pointers],
    )
    lines = content.decode().splitlines()
    for item, start in zip(found, pointers.values(), strict=True):
        assert item.source == "definitionFile"
        assert lines[item.line - 1][item.column - 1 :].startswith(start)


def test_a_caller_of_the_system_api_reads_the_warnings_as_comments() -> None:
    result = made(document({"/a": {"get": {}, "trace": {}}}))
    assert result.with_warnings.startswith(result.conf_text)
    assert "\n# TRACE /a is left out. The gateway routes" in result.with_warnings
    assert yaml.safe_load(result.with_warnings) == yaml.safe_load(result.conf_text)


@pytest.mark.parametrize(
    "as_text",
    [
        json.dumps,
        lambda value: yaml.dump(
            value, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper)
        ),
    ],
)
def test_the_parser_has_no_limit_of_its_own(as_text: Any) -> None:
    value = document(
        components={
            "schemas": {
                f"S{number}": {"description": "x" * 100_000} for number in range(110)
            }
        }
    )
    content = as_text(value).encode()
    assert len(content) > 10_500_000
    assert list(operations(made(content))) == ["GET /a"]


@pytest.mark.parametrize("value", ["NaN", "Infinity", '"\\ud800"', "1" * 5000])
def test_what_only_some_readers_of_json_take_is_not_read_as_json(value: str) -> None:
    """It is read as YAML, or refused there with its place."""
    report = Report("definitionFile")
    text = f'{{"openapi": "3.0.3", "info": {{"title": "t", "version": "1"}}, "x-value": {value}}}'
    found = openapi.parse(text.encode(), report)
    assert report.diagnostics or (found is not None and found.document is not None)
    if found is not None and found.document is not None:
        assert isinstance(found.document["x-value"], str)


def test_requirements_of_the_whole_document_are_read_once() -> None:
    """Nine hundred alternatives for each of six hundred operations took ten seconds."""
    document = {
        "openapi": "3.0.3",
        "info": {"title": "t", "version": "1"},
        "servers": [{"url": "https://x.example"}],
        "components": {"securitySchemes": {"o": {"type": "oauth2", "flows": {}}}},
        "security": [{"o": [f"s{number}"]} for number in range(900)],
        "paths": {f"/{number}": {"get": {"responses": {}}} for number in range(600)},
    }
    read = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_CPU, (5, 5));"
        "from kapi.apis.generate import with_comments;"
        "from kapi.apis.model.choices import Choices;"
        "with_comments(sys.stdin.buffer.read(), 'REST', '', Choices())"
    )
    done = subprocess.run(
        [sys.executable, "-c", read],
        input=json.dumps(document).encode(),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1, "it ends by itself, not by a signal"
    assert b"no operations" in done.stderr or b"alternative" in done.stderr
