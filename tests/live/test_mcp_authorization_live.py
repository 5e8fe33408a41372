"""The official SDK as an OAuth client of an MCP server behind the gateway: discovery, registration,
sign-in, a token for the server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientMetadata
from test_mcp_live import CONF, DEFINITION, HOST

from harness import Platform, free_port
from mcp_server import connected, serving, weather
from person import Page, Person, claims_of, over_https
from standin import StandIn

CALLBACK = "http://127.0.0.1:3000/callback"


@pytest.fixture(scope="module")
def publisher() -> Iterator[StandIn]:
    """Where a client publishes its metadata."""
    server = StandIn().start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def platform(
    tmp_path_factory: pytest.TempPathFactory, publisher: StandIn
) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("kapi")
    settings = folder / "kapi.toml"
    settings.write_text(
        "[identity]\nclient_id_metadata_documents = true\n"
        '[identity.registration]\nopen = true\nscopes = ["weather:write", "offline_access"]\n'
    )
    running = Platform(
        free_port(),
        folder / "data",
        ("--config", str(settings)),
        environment={"SSL_CERT_FILE": str(publisher.ca)},
    )
    running.start()
    yield running
    running.stop()


class Memory:
    """Where the client keeps what it gets."""

    tokens: Any = None
    client: Any = None

    async def get_tokens(self) -> Any:
        return self.tokens

    async def set_tokens(self, tokens: Any) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> Any:
        return self.client

    async def set_client_info(self, client_info: Any) -> None:
        self.client = client_info


def consented(person: Person, address: str) -> Page:
    """What the browser is sent to at the end."""
    page = person.open(address[address.index("/oauth2") :])
    if page.status == 200 and 'name="password"' in page.text:
        page = person.sign_in(page)
    if page.status == 200:
        page = person.submit(page, decision="allow")
    return page


def test_a_client_finds_the_provider_registers_signs_in_and_steps_up(
    platform: Platform,
) -> None:
    memory = erased(platform)
    assert memory.client.application_type == "native"
    claims = claims_of(memory.tokens.access_token)
    assert claims["aud"] == f"https://{HOST}:{platform.port}/weather/1.0"
    assert "weather:write" in claims["scope"]


def test_a_client_with_a_metadata_document_needs_no_registration(
    platform: Platform, publisher: StandIn
) -> None:
    address = f"{publisher.url}/client.json"
    publisher.documents["/client.json"] = {
        "client_id": address,
        "client_name": "Published",
        "redirect_uris": [CALLBACK],
        "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
    }
    memory = erased(platform, client_metadata_url=address)
    assert publisher.fetched("/client.json") >= 1
    assert memory.client.client_id == address
    claims = claims_of(memory.tokens.access_token)
    assert claims["aud"] == f"https://{HOST}:{platform.port}/weather/1.0"
    assert "weather:write" in claims["scope"]


def erased(platform: Platform, **options: Any) -> Memory:
    """What the client keeps after it has called the tool that needs a scope."""
    url = f"https://{HOST}:{platform.port}/weather/1.0"
    memory, person, back = Memory(), Person(over_https(platform.port)), dict[str, str]()

    async def redirect(address: str) -> None:
        page = await asyncio.to_thread(consented, person, address)
        back.update(page.parameters)

    async def callback() -> AuthorizationCodeResult:
        return AuthorizationCodeResult(**back)

    metadata = OAuthClientMetadata(
        client_name="SDK",
        redirect_uris=[CALLBACK],
        token_endpoint_auth_method="none",
        application_type="native",
    )
    auth = OAuthClientProvider(url, metadata, memory, redirect, callback, **options)

    async def run() -> tuple[list[str], str]:
        async with connected(url, platform.port, auth=auth) as client:
            return await use(client)

    async def use(client: Client) -> tuple[list[str], str]:
        tools = (await client.list_tools()).tools
        erased = await client.call_tool("erase", {"city": "Ulm"})
        return [tool.name for tool in tools], erased.content[0].text

    with serving(weather()) as port:
        answer = platform.deploy(CONF.format(port=port), DEFINITION)
        assert answer.status == 200, answer.body
        assert asyncio.run(run())[1] == "erased Ulm"
    return memory
