"""A REST API as tools of an MCP server through the real gateway, with the client of the official
SDK.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError

from backends import running
from harness import Platform
from mcp_server import bound_token, connected

HOST = "default.gw.wso2.com"
PET = {
    "type": "object",
    "properties": {"id": {"type": "integer"}, "name": {"type": "string"}},
    "required": ["id", "name"],
}
REFERENCE = {"$ref": "#/components/schemas/Pet"}
ONE = {
    "200": {"description": "ok", "content": {"application/json": {"schema": REFERENCE}}}
}
MANY = {"type": "array", "items": REFERENCE}
LIST = {"200": {"description": "ok", "content": {"application/json": {"schema": MANY}}}}
IDENTIFIER = {
    "name": "petId",
    "in": "path",
    "required": True,
    "schema": {"type": "integer"},
}
DEFINITION = {
    "openapi": "3.0.3",
    "info": {"title": "Pets", "version": "1.0"},
    "components": {"schemas": {"Pet": PET}},
    "paths": {
        "/pets": {
            "get": {
                "operationId": "findPets",
                "summary": "Find pets.",
                "parameters": [
                    {"name": "tag", "in": "query", "schema": {"type": "string"}}
                ],
                "responses": LIST,
            },
            "post": {
                "operationId": "addPet",
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": REFERENCE}},
                },
                "responses": ONE,
            },
        },
        "/pets/{petId}": {
            "parameters": [IDENTIFIER],
            "get": {"operationId": "getPet", "summary": "One pet.", "responses": ONE},
            "delete": {
                "operationId": "removePet",
                "responses": {"204": {"description": "gone"}},
            },
        },
        "/internal": {"get": {"operationId": "internal", "responses": ONE}},
    },
}
CONF = """name: Pets
basePath: /pets-api
version: "1.0"
type: REST
mcp: true
endpointConfigurations:
  production:
    endpoint: http://127.0.0.1:{port}/backend
operations:
  - {{target: /pets, verb: GET, secured: false}}
  - {{target: /pets, verb: POST, scopes: [pets:write]}}
  - target: "/pets/{{id}}"
    verb: GET
    operationPolicies:
      request:
        - policyName: SetHeader
          parameters: {{headerName: x-set, headerValue: by-the-operation}}
  - {{target: "/pets/{{id}}", verb: DELETE, rateLimit: {{requestsPerUnit: 1, unit: Hour}}}}
  - {{target: /internal, verb: GET, mcp: false}}
"""


class Pets(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    seen: ClassVar[list[dict[str, Any]]] = []

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        self.seen.append({
            "line": f"{self.command} {self.path}",
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "body": body.decode(),
        })  # fmt: skip
        status, made = self.made(body)
        text = b"" if made is None else json.dumps(made).encode()
        self.send_response(status)
        if text:
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def made(self, body: bytes) -> tuple[int, Any]:
        path = self.path.partition("?")[0].removeprefix("/backend")
        if self.command == "DELETE":
            return 204, None
        if self.command == "POST":
            return 201, json.loads(body)
        if path == "/pets/404":
            return 404, {"error": "no such pet"}
        pet = {
            "id": int(path.rpartition("/")[2] or 0) if path != "/pets" else 1,
            "name": "Rex",
        }
        return 200, [pet] * 300 if path == "/pets" else pet

    do_GET = do_POST = do_DELETE = answer

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def deployed(platform: Platform) -> Iterator[Platform]:
    with running(ThreadingHTTPServer(("127.0.0.1", 0), Pets)) as port:
        answer = platform.deploy(CONF.format(port=port), json.dumps(DEFINITION))
        assert answer.status == 200, answer.body
        yield platform


def use(platform: Platform, work: Any, scope: str = "", mode: str = "auto") -> Any:
    base = f"https://{HOST}:{platform.port}/pets-api/1.0"

    async def run() -> Any:
        token = bound_token(platform, base, scope)
        async with connected(f"{base}/mcp", platform.port, token, mode) as client:
            return await work(client)

    return asyncio.run(run())


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_operations_are_tools(deployed: Platform, mode: str) -> None:
    async def work(client: Client) -> Any:
        return (await client.list_tools()).tools

    tools = {tool.name: tool for tool in use(deployed, work, mode=mode)}
    assert list(tools) == ["findPets", "getPet", "removePet"]
    pet = tools["getPet"]
    assert pet.description == "One pet."
    assert pet.input_schema["required"] == ["petId"]
    assert pet.output_schema == PET
    assert list(use(deployed, work, "pets:write", mode)) != list(tools.values())


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_a_call_of_a_tool_is_a_call_of_the_operation(
    deployed: Platform, mode: str
) -> None:
    async def work(client: Client) -> Any:
        one = await client.call_tool("getPet", {"petId": 7})
        many = await client.call_tool("findPets", {"tag": "a b"})
        none = await client.call_tool("getPet", {"petId": 404})
        return one, many, none

    Pets.seen.clear()
    one, many, none = use(deployed, work, mode=mode)
    assert one.structured_content == {"id": 7, "name": "Rex"}
    assert len(many.structured_content["result"]) == 300
    assert none.is_error
    assert "404" in none.content[0].text
    lines = [item["line"] for item in Pets.seen]
    assert lines == [
        "GET /backend/pets/7",
        "GET /backend/pets?tag=a%20b",
        "GET /backend/pets/404",
    ]
    first = Pets.seen[0]["headers"]
    assert first["x-set"] == "by-the-operation"
    assert not {
        name for name in first if name.startswith("mcp-") or name == "authorization"
    }


def test_a_body_and_an_empty_answer_pass(deployed: Platform) -> None:
    async def work(client: Client) -> Any:
        added = await client.call_tool("addPet", {"body": {"id": 1, "name": "Rex"}})
        removed = await client.call_tool("removePet", {"petId": 1})
        return added, removed

    added, removed = use(deployed, work, "pets:write")
    assert added.structured_content == {"id": 1, "name": "Rex"}
    assert not removed.is_error


def test_scopes_and_limits_are_those_of_the_operation(deployed: Platform) -> None:
    async def work(client: Client) -> None:
        with pytest.raises(MCPError, match="does not allow"):
            await client.call_tool("addPet", {"body": {}})
        with pytest.raises(MCPError, match="Unknown tool: internal"):
            await client.call_tool("internal", {})
        results = await asyncio.gather(
            *(client.call_tool("removePet", {"petId": 1}) for _ in range(2)),
            return_exceptions=True,
        )
        assert any("throttled" in str(result) for result in results)

    use(deployed, work)


def test_an_open_operation_needs_no_token(deployed: Platform) -> None:
    async def run() -> Any:
        url = f"https://{HOST}:{deployed.port}/pets-api/1.0/mcp"
        async with connected(url, deployed.port) as client:
            tools = [tool.name for tool in (await client.list_tools()).tools]
            return tools, await client.call_tool("findPets", {})

    tools, result = asyncio.run(run())
    assert tools == ["findPets"]
    assert not result.is_error
