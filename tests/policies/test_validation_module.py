"""The built validation module: what it refuses, and that no request stops it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest
from envoy_host import Reply, Shared, Thread, linked
from hypothesis import given, settings
from hypothesis import strategies as st

from kapi.apis.compile import compile_api
from kapi.policies import POLICIES
from kapi.policies.contract import Place
from kapi.policies.traffic import request_validation

PET = {
    "type": "object",
    "required": ["id", "name"],
    "properties": {
        "id": {"type": "integer", "readOnly": True},
        "name": {"type": "string", "minLength": 1},
        "tag": {"type": "string", "nullable": True},
        "secret": {"type": "string", "writeOnly": True},
        "kids": {"type": "array", "items": {"$ref": "#/components/schemas/Pet"}},
    },
    "additionalProperties": False,
}
PARAMETERS: list[dict[str, Any]] = [
    {
        "in": "path",
        "name": "id",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
    },
    {"in": "query", "name": "limit", "required": True, "schema": {"type": "integer"}},
    {
        "in": "query",
        "name": "tags",
        "schema": {
            "type": "array",
            "items": {"type": "string", "enum": ["a", "b", "1"]},
        },
    },
    {
        "in": "query",
        "name": "ids",
        "explode": False,
        "schema": {"type": "array", "items": {"type": "integer"}, "maxItems": 2},
    },
    {
        "in": "query",
        "name": "code",
        "schema": {"type": "string", "pattern": "^[0-9]+$"},
    },
    {
        "in": "query",
        "name": "deep",
        "style": "deepObject",
        "schema": {"type": "object"},
    },
    {"in": "header", "name": "X-Kind", "schema": {"type": "boolean"}},
    {"in": "cookie", "name": "theme", "schema": {"type": "string", "enum": ["dark"]}},
]
DEFINITION = {
    "openapi": "3.0.3",
    "info": {"title": "t", "version": "1"},
    "paths": {
        "/pets/{id}": {
            "put": {
                "parameters": PARAMETERS,
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {
                            "schema": {"$ref": "#/components/schemas/Pet"}
                        },
                        "image/*": {},
                    },
                },
                "responses": {
                    "200": {
                        "description": "ok",
                        "content": {
                            "application/json": {
                                "schema": {"$ref": "#/components/schemas/Pet"}
                            },
                            "image/*": {},
                        },
                    },
                    "4XX": {"description": "refused"},
                },
            }
        }
    },
    "components": {"schemas": {"Pet": PET}},
}


class Validated(Thread):
    """One thread of Envoy with the validation module, at a route of this definition."""

    def __init__(
        self, schemas: Mapping[str, Any] = MappingProxyType({}), **wishes: bool
    ) -> None:
        """`schemas` are others than those of the definition; the body is a Pet."""
        self.shared = Shared()
        self.headers: dict[int, dict[str, str]] = {0: {}, 2: {}}
        self.buffers: dict[int, bytes] = {}
        self.reply: Reply | None = None
        self.said: dict[str, str] = {}
        self.contexts = 10
        self.properties = self.route(wishes, schemas)
        self.store, self.exports = linked(self, request_validation.MODULE)
        self.memory: Any = self.exports["memory"]

    @staticmethod
    def route(wishes: dict[str, bool], schemas: Mapping[str, Any]) -> dict[str, bytes]:
        conf = {
            "name": "V",
            "basePath": "/v",
            "version": "1",
            "type": "REST",
            "endpointConfigurations": {"production": {"endpoint": "http://b:80"}},
            "apiPolicies": {
                "request": [{"policyName": "RequestValidation", "parameters": wishes}]
            },
            "authentication": [{"authType": "APIKey", "queryParamName": "key"}],
            "operations": [{"target": "/pets/{id}", "verb": "PUT"}],
        }
        definition = {**DEFINITION, "components": {"schemas": {"Pet": PET, **schemas}}}
        texts = json.dumps(conf).encode(), json.dumps(definition).encode()
        api = compile_api(*texts, organization="default", policies=POLICIES).api
        operation = api.operations[0]
        node = next(
            item
            for item in operation.policies
            if item.policy == request_validation.name
        )
        place = Place(
            api, operation, operation.production, "h", api.base_path, sandbox=False
        )
        metadata = request_validation.envoy(node, place).metadata[
            request_validation.FILTER
        ]
        return {name: value.encode() for name, value in metadata.items()}

    def asked(
        self,
        path: str,
        body: bytes | None = b'{"name": "x"}',
        pieces: int = 1,
        **headers: str,
    ) -> Reply | None:
        """A refusal, or None after the request has passed."""
        self.reply, self.contexts = None, self.contexts + 1
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        self.headers[0] = {":path": path, "content-type": "application/json", **given}
        self.call("proxy_on_context_create", self.contexts, 1)
        self.call("proxy_on_request_headers", self.contexts, 1, int(body is None))
        if self.reply is None and body is not None:
            for number in range(pieces):
                part = body[: len(body) * (number + 1) // pieces]
                self.buffers[0] = part
                last = int(number == pieces - 1)
                self.call("proxy_on_request_body", self.contexts, len(part), last)
        self.call("proxy_on_delete", self.contexts)
        return self.reply

    def answered(
        self, status: int, body: bytes | None, pieces: int = 1, **headers: str
    ) -> str:
        """What the access log has of an answer; it is never held."""
        self.said, self.contexts = {}, self.contexts + 1
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        self.headers[2] = {
            ":status": str(status),
            "content-type": "application/json",
            **given,
        }
        self.call("proxy_on_context_create", self.contexts, 1)
        held = self.call(
            "proxy_on_response_headers", self.contexts, 1, int(body is None)
        )
        for number in range(pieces if body is not None else 0):
            assert body is not None
            start, stop = (
                len(body) * count // pieces for count in (number, number + 1)
            )
            part = self.buffers[1] = body[start:stop]
            last = int(number == pieces - 1)
            held += self.call("proxy_on_response_body", self.contexts, len(part), last)
        self.call("proxy_on_delete", self.contexts)
        assert held == 0
        return self.said.get("kapi.answer_fault", "")


def faults(reply: Reply | None) -> list[str]:
    if reply is None:
        return []
    said = json.loads(reply.body)
    assert said["code"] == str(reply.status) == "400"
    return [" ".join(item.values()) for item in said["faults"]]


@pytest.fixture(scope="module")
def module() -> Validated:
    return Validated()


GOOD = "/v/1/pets/7?limit=3"


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (GOOD, []),
        ("/v/1/pets/7?limit=3&tags=a&tags=1&ids=1,2&code=007&theme=x&deep[a]=1", []),
        ("/v/1/pets/%37?limit=%33&other=1", []),
        ("/v/1/pets/7", ["query limit is missing"]),
        (
            "/v/1/pets/x?limit=",
            ["path id is not of type integer", "query limit is not of type integer"],
        ),
        (
            "/v/1/pets/0?limit=1.5",
            ["path id violates minimum 1", "query limit is not of type integer"],
        ),
        ("/v/1/pets/7?limit=3&limit=4", ["query limit is there more than once"]),
        ("/v/1/pets/7?limit=3&tags=c", ["query tags [0] is not one of the values"]),
        ("/v/1/pets/7?limit=3&ids=1,2,3", ["query ids violates maxItems 2"]),
        ("/v/1/pets/7?limit=3&code=a%0A", ["query code does not match the pattern"]),
        ("/v/1/pets/%FF?limit=3", ["path id is not of type integer"]),
    ],
)
def test_parameters_fit_the_definition(
    module: Validated, path: str, found: list[str]
) -> None:
    assert faults(module.asked(path)) == found


def test_headers_and_cookies_are_parameters_too(module: Validated) -> None:
    assert faults(module.asked(GOOD, x_kind="true", cookie="a=b; theme=dark")) == []
    said = faults(module.asked(GOOD, x_kind="yes", cookie="a=b; theme=light"))
    assert said == [
        "header x-kind is not of type boolean",
        "cookie theme is not one of the values",
    ]


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b'{"name": "x", "tag": null, "kids": [{"name": "y"}]}', []),
        (b"", ["body  The body is not JSON"]),
        (b'{"name": "x"', ["body  The body is not JSON"]),
        (b'{"name": "x", "name": "y"}', ["body  A JSON object has a member twice"]),
        (b"[]", ["body  $ is not of type object"]),
        (b'{"tag": "t"}', ["body  $ lacks the member name"]),
        (b'{"name": ""}', ["body  $.name violates minLength 1"]),
        (
            b'{"name": "x", "kids": [{"name": 1}]}',
            ["body  $.kids[0].name is not of type string"],
        ),
        (b'{"name": "x", "more": 1}', ["body  $.more is not allowed"]),
    ],
)
def test_a_json_body_fits_its_schema(
    module: Validated, body: bytes, found: list[str]
) -> None:
    assert faults(module.asked(GOOD, body)) == found
    assert faults(module.asked(GOOD, body, pieces=3)) == found


def test_all_faults_are_said_at_once(module: Validated) -> None:
    said = faults(module.asked("/v/1/pets/x?limit=y", b"{}"))
    assert said == [
        "path id is not of type integer",
        "query limit is not of type integer",
        "body  $ lacks the member name",
    ]
    assert faults(module.asked("/v/1/pets/7", None)) == [
        "query limit is missing",
        "body  is missing",
    ]


def test_the_media_type_is_one_of_the_definition(module: Validated) -> None:
    assert module.asked(GOOD, b"\xff", content_type="image/png") is None
    charset = "application/JSON; charset=utf-8"
    assert module.asked(GOOD, content_type=charset) is None
    for headers in ({"content_type": "text/plain"}, {"content_encoding": "gzip"}):
        reply = module.asked(GOOD, **headers)
        assert reply is not None
        assert reply.status == 415


def test_other_query_parameters_are_refused_where_the_conf_says_so() -> None:
    strict = Validated(unknownQuery=False)
    assert faults(strict.asked(f"{GOOD}&key=secret")) == []
    assert faults(strict.asked(f"{GOOD}&lmit=3&lmit=4")) == ["query lmit is unknown"]


def test_parts_of_a_request_need_not_be_checked() -> None:
    assert faults(Validated(parameters=False).asked("/v/1/pets/x", b"{}")) == [
        "body  $ lacks the member name"
    ]
    assert faults(Validated(body=False).asked("/v/1/pets/x?limit=1", b"{}")) == [
        "path id is not of type integer"
    ]


@pytest.fixture(scope="module")
def warned() -> Validated:
    return Validated(responses=True)


WRONG = "the answer does not match the definition: "


@pytest.mark.parametrize(
    ("status", "body", "headers", "said"),
    [
        (200, b'{"id": 1, "name": "x"}', {}, ""),
        (200, b'{"id": 1}', {}, f"{WRONG}$ lacks the member name"),
        (200, b'{"name": "x"}', {}, f"{WRONG}$ lacks the member id"),
        (200, b'{"id": "1", "name": "x"}', {}, f"{WRONG}$.id is not of type integer"),
        (200, b"<html>", {}, f"{WRONG}The body is not JSON"),
        (200, b"x", {"content_type": "image/png"}, ""),
        (
            200,
            b"x",
            {"content_type": "text/html"},
            "the definition does not have the media type text/html for the status 200",
        ),
        (200, None, {}, ""),
        (404, b"<html>", {"content_type": "text/html"}, ""),
        (500, b"{}", {}, "the definition does not have the status 500"),
        (200, b"{}", {"content_encoding": "gzip"}, ""),
        (200, b"[" + b" " * 102_400, {}, ""),
        (200, b"[]", {"content_length": "102401"}, ""),
    ],
)
def test_an_answer_is_compared_while_it_passes(
    warned: Validated,
    status: int,
    body: bytes | None,
    headers: dict[str, str],
    said: str,
) -> None:
    assert warned.answered(status, body, **headers) == said
    if body is not None:
        assert warned.answered(status, body, pieces=3, **headers) == said


def test_answers_are_compared_only_if_the_conf_asks_for_it(module: Validated) -> None:
    assert module.answered(500, b"x") == ""


def test_what_the_gateway_answers_is_not_compared(warned: Validated) -> None:
    warned.properties["code_details"] = b"direct_response"
    assert warned.answered(500, b"x") == ""
    warned.properties["code_details"] = b"via_upstream"
    assert warned.answered(500, b"x") != ""
    del warned.properties["code_details"]


@given(st.text(max_size=60), st.binary(max_size=60), st.text(max_size=40))
@settings(max_examples=100, deadline=None)
def test_no_request_stops_the_module(
    module: Validated, path: str, body: bytes, cookie: str
) -> None:
    sent = path.encode("ascii", "replace").decode()
    reply = module.asked(f"/v/1/pets/{sent}", body, cookie=cookie)
    assert reply is None or reply.status in {400, 415}
    assert faults(module.asked(GOOD)) == []


TOO_LONG = ["body  $ takes too long to compare with the schema"]


def combined(word: str) -> dict[str, Any]:
    """Schemas that ask thirty times, each time twice, whether the next one holds."""
    made: dict[str, Any] = {}
    for number in range(30):
        following = {"$ref": f"#/components/schemas/S{number + 1}"}
        made[f"S{number}"] = {word: [following, {"anyOf": [following]}]}
    return {
        **made,
        "S30": {"type": "string"},
        "Pet": {"$ref": "#/components/schemas/S0"},
    }


@pytest.mark.parametrize("schemas", [combined("oneOf"), combined("anyOf")])
def test_combinations_in_combinations_take_no_thread(schemas: dict[str, Any]) -> None:
    """The time of each level doubles; the module gives up, and refuses the call."""
    module = Validated(schemas)
    assert faults(module.asked(GOOD, b"1")) == TOO_LONG
    assert faults(module.asked("/v/1/pets/x?limit=3", b"1"))[1:] == TOO_LONG


def test_not_makes_no_pass_of_what_took_too_long() -> None:
    schemas = {**combined("oneOf"), "Pet": {"not": {"$ref": "#/components/schemas/S0"}}}
    assert faults(Validated(schemas).asked(GOOD, b"1")) == TOO_LONG


def test_levels_that_ask_twice_about_their_members_are_limited_too() -> None:
    inner = {
        "type": "object",
        "properties": {"a": {"$ref": "#/components/schemas/Pet"}},
    }
    schemas = {
        "Pet": {"oneOf": [inner, {**inner, "maxProperties": 1}, {"type": "string"}]}
    }
    module = Validated(schemas)
    assert faults(module.asked(GOOD, b'"a"')) == []
    assert faults(module.asked(GOOD, b'{"a": ' * 50 + b"1" + b"}" * 50)) == TOO_LONG


def test_large_bodies_are_compared_whole() -> None:
    module = Validated()
    kids = [{"name": f"n{number}", "tag": "t" * 10} for number in range(9000)]
    assert (
        faults(module.asked(GOOD, json.dumps({"name": "x", "kids": kids}).encode()))
        == []
    )
    kids[-1]["name"] = ""
    said = faults(module.asked(GOOD, json.dumps({"name": "x", "kids": kids}).encode()))
    assert said == ["body  $.kids[8999].name violates minLength 1"]
