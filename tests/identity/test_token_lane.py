"""The short way of token requests gives what the usual way gives, byte for byte; whatever is
unusual takes the usual way.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st

from idp import basic, provider_of
from kapi.front.web.identity.app import TokenEndpoints, build_identity_app
from kapi.front.web.identity.token_lane import protocol_with, token_lane
from kapi.identity.protocol.forms import read_pairs
from kapi.settings import ClientSettings, IdentitySettings, Settings
from kapi.store import Store

NOW = 1_800_000_000
CLIENTS = (
    *IdentitySettings().clients,
    ClientSettings(id="es", secret="s", access_token_signing_alg="EdDSA"),
)


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, int]]:
    """Two servers over one provider: the usual way alone, and with the short way."""
    store = Store.open(tmp_path_factory.mktemp("lane") / "kapi.db")
    provider = provider_of(
        Settings(Path("/nowhere"), IdentitySettings(clients=CLIENTS)), store
    )
    provider.new_id = lambda: "the-same-jti"
    provider.use_keys(provider.keyring)
    app = build_identity_app(provider, lambda: NOW)
    lane = token_lane(TokenEndpoints(provider), lambda: NOW)
    servers, listeners = [], []
    for http in ("httptools", protocol_with(lane)):
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        config = uvicorn.Config(
            app,
            http=http,
            lifespan="off",
            log_config=None,
            server_header=False,
            date_header=False,
        )
        server = uvicorn.Server(config)
        threading.Thread(
            target=server.run, kwargs={"sockets": [listener]}, daemon=True
        ).start()
        servers.append(server)
        listeners.append(listener)
    yield tuple(listener.getsockname()[1] for listener in listeners)  # type: ignore[misc]
    for server in servers:
        server.should_exit = True


def sent(port: int, *pieces: bytes, answers: int = 1) -> bytes:
    """What comes back for these pieces, until that many answers are whole."""

    async def talk() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number, piece in enumerate(pieces):
            if number:
                await asyncio.sleep(0.05)
            writer.write(piece)
        got = b""
        for _ in range(answers):
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
            if head.startswith(b"HTTP/1.1 100"):
                head += await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            got += head + await reader.readexactly(length)
        writer.close()
        return got

    return asyncio.run(talk())


def request(
    body: bytes = b"grant_type=client_credentials",
    path: str = "/oauth2/token",
    method: str = "POST",
    **headers: str,
) -> bytes:
    named = {
        "host": "idp.am.wso2.com",
        "authorization": basic("es", "s"),
        "content-type": "application/x-www-form-urlencoded",
    }
    named |= {"content-length": str(len(body))} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in named.items() if value)
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode("latin-1") + body


ONE = {
    "a token": request(),
    "a scope": request(b"grant_type=client_credentials&scope=a+b%20c"),
    "another path": request(path="/oauth2/1.0.0/token"),
    "a query": request(path="/oauth2/token?x=1"),
    "another path written oddly": request(path="/oauth2/%74oken"),
    "a wrong secret": request(authorization=basic("es", "no")),
    "no credentials": request(authorization=""),
    "no grant": request(b""),
    "an unknown grant": request(b"grant_type=x"),
    "a grant that needs the store": request(b"grant_type=authorization_code&code=x"),
    "a parameter twice": request(
        b"grant_type=client_credentials&grant_type=client_credentials"
    ),
    "a form that is none": request(b"grant_type"),
    "a form with an empty pair": request(b"grant_type=client_credentials&"),
    "other bytes": request(b"grant_type=\xff"),
    "JSON": request(b"{}", content_type="application/json"),
    "too large": request(b"x=" + b"x" * 70_000),
    "GET": request(b"", method="GET"),
    "close": request(connection="close"),
    "another document": request(b"", "/health", "GET"),
}


@pytest.mark.parametrize("case", ONE)
def test_both_ways_answer_alike(ports: tuple[int, int], case: str) -> None:
    usual, short = (sent(port, ONE[case]) for port in ports)
    assert short == usual


def test_a_request_in_pieces_and_requests_in_one_piece(ports: tuple[int, int]) -> None:
    whole = request()
    for cut in (1, 20, len(whole) - 30, len(whole) - 1):
        usual, short = (sent(port, whole[:cut], whole[cut:]) for port in ports)
        assert short == usual
    mixed = [
        request(),
        request(b"grant_type=x"),
        request(b"", "/health", "GET"),
        request(),
        request(b"grant_type=authorization_code&code=x"),
        request(),
    ]
    usual, short = (sent(port, b"".join(mixed), answers=len(mixed)) for port in ports)
    assert short == usual
    assert short.count(b"HTTP/1.1 ") == len(mixed)


def test_a_client_that_waits_is_told_to_go_on(ports: tuple[int, int]) -> None:
    head, _, body = request(expect="100-continue").partition(b"\r\n\r\n")
    answer = sent(ports[1], head + b"\r\n\r\n", body)
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
    assert json.loads(answer.rpartition(b"\r\n\r\n")[2])["token_type"] == "Bearer"


def _general(text: str) -> Any:
    try:
        return (
            parse_qsl(
                text,
                keep_blank_values=True,
                strict_parsing=True,
                errors="strict",
                max_num_fields=100,
            )
            if text
            else []
        )
    except ValueError:
        return ValueError


@given(
    st.lists(
        st.sampled_from(["a", "=", "&", "b", ";", " ", "%41", "+", "%", "&&", "=="])
    ).map("".join)
)
def test_a_form_without_encoding_is_read_as_the_general_way_reads_it(text: str) -> None:
    try:
        found: Any = read_pairs(text)
    except ValueError:
        found = ValueError
    assert found == _general(text)


def test_the_number_of_parameters_is_limited_either_way() -> None:
    for count, good in itertools.product((100, 101), (False, True)):
        text = "&".join(["a=b"] * count) + ("" if good else "%41")
        if count == 100:
            assert len(read_pairs(text)) == 100
        else:
            with pytest.raises(ValueError):
                read_pairs(text)
