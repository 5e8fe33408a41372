"""How commands call the system APIs: one token for many calls."""

from __future__ import annotations

from typing import Any

from kapi.front.cli.client import Client
from kapi.front.cli.server.base import Answer


class Server:
    """A platform that hands out numbered tokens, and refuses those before `oldest`."""

    api_host = "api.example"

    def __init__(self) -> None:
        self.issued = 0
        self.oldest = 1

    def token(self, scopes: tuple[str, ...], client_id: str | None) -> str:
        self.issued += 1
        return f"{self.issued} {' '.join(scopes)}"


class Calling(Client):
    """A client whose requests this server answers."""

    server: Server

    def request(self, *_: Any, token: str = "", **__: Any) -> Answer:
        number = int(token.split(maxsplit=1)[0])
        return Answer(401 if number < self.server.oldest else 200, token.encode())


def test_a_token_is_used_until_the_platform_refuses_it() -> None:
    server: Any = Server()
    client = Calling(None, server=server)
    path = "/api/logs"
    bodies = [client.answer("GET", path, scopes=("a",)).body for _ in range(3)]
    assert bodies == [b"1 a"] * 3
    assert client.answer("GET", path, scopes=("b",)).body == b"2 b"
    server.oldest = 3
    assert client.answer("GET", path, scopes=("a",)).body == b"3 a"
    server.oldest = 9
    assert client.answer("GET", path, scopes=("a",)).status == 401
    assert server.issued == 4
