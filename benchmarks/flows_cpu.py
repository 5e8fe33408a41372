"""Processor time per authorization code and per refresh: one identity worker as the product runs
it, beside npm oidc-provider.

The person is signed in and has consented, so a code costs one request to the authorization endpoint
and one to the token endpoint; each answer holds an RS256 access token, an RS256 ID token and a
rotated refresh token. Ours writes all of it to disk before it answers; the peer keeps it in memory.
Introspection is of our JWT access token, and of the peer's refresh token: it does not introspect
its JWTs. Interleaved rounds; only the servers' CPU counts. Wrong secrets are measured beside right
ones.
"""

from __future__ import annotations

import asyncio
import base64
import json
import statistics
import sys
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import uvloop
from measure import cpu_seconds
from token_cpu import Connect, start_ours, start_peer

from harness import free_port
from kapi.settings import (
    WELL_KNOWN_CLIENT_SECRET,
    ClientSettings,
    IdentitySettings,
    Settings,
)
from person import Person, over_asgi

CALLBACK, CHAINS, STEPS, ROUNDS = "https://client.example/cb", 16, 40, 5
BASIC = (
    "Basic " + base64.b64encode(f"code:{WELL_KNOWN_CLIENT_SECRET}".encode()).decode()
)
WRONG = "Basic " + base64.b64encode(b"code:not-the-secret").decode()


@dataclass(slots=True)
class Server:
    """One server, its paths, and the cookies of the person who is signed in there."""

    pid: int
    connect: Connect
    authorize: str
    token: str
    introspect: str
    cookies: dict[str, str] = field(default_factory=dict)


class Wire:
    """One keep-alive connection."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.reader, self.writer = reader, writer

    async def ask(
        self, method: str, path: str, headers: dict[str, str], body: str = ""
    ) -> tuple[int, dict[str, list[str]], bytes]:
        lines = [
            f"{method} {path} HTTP/1.1",
            "Host: idp.am.wso2.com",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        if body:
            lines += [
                "Content-Type: application/x-www-form-urlencoded",
                f"Content-Length: {len(body)}",
            ]
        self.writer.write("\r\n".join([*lines, "", body]).encode())
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        found: dict[str, list[str]] = {}
        for line in head[1:-2]:
            name, _, value = line.partition(": ")
            found.setdefault(name.lower(), []).append(value)
        length = int(found.get("content-length", ["0"])[0])
        return int(head[0].split()[1]), found, await self.reader.readexactly(length)


async def wire(server: Server) -> Wire:
    return Wire(*await server.connect())


async def code(server: Server, line: Wire) -> str:
    query = urlencode(
        {
            "client_id": "code",
            "response_type": "code",
            "redirect_uri": CALLBACK,
            "scope": "openid default",
            "nonce": "n",
        }
    )
    cookie = "; ".join(f"{name}={value}" for name, value in server.cookies.items())
    status, headers, body = await line.ask(
        "GET", f"{server.authorize}?{query}", {"Cookie": cookie}
    )
    location = headers.get("location", [""])[0]
    assert status == 303, (status, body)
    assert location.startswith(CALLBACK), location
    return parse_qs(urlsplit(location).query)["code"][0]


async def tokens(server: Server, line: Wire, **fields: str) -> dict[str, str]:
    status, _, body = await line.ask(
        "POST", server.token, {"Authorization": BASIC}, urlencode(fields)
    )
    assert status == 200, body
    answer: dict[str, str] = json.loads(body)
    assert {"access_token", "id_token", "refresh_token"} <= set(answer), answer.keys()
    return answer


async def redeem(server: Server, line: Wire) -> dict[str, str]:
    return await tokens(
        server,
        line,
        grant_type="authorization_code",
        code=await code(server, line),
        redirect_uri=CALLBACK,
    )


async def codes(server: Server) -> None:
    line = await wire(server)
    for _ in range(STEPS):
        await redeem(server, line)
    line.writer.close()


async def refreshes(server: Server, line: Wire, token: str) -> None:
    for _ in range(STEPS):
        token = (
            await tokens(server, line, grant_type="refresh_token", refresh_token=token)
        )["refresh_token"]


async def introspections(
    server: Server,
    line: Wire,
    token: str,
    basic: str = BASIC,
    expected: bytes = b'"active":true',
) -> None:
    for _ in range(STEPS):
        _, _, body = await line.ask(
            "POST",
            server.introspect,
            {"Authorization": basic},
            urlencode({"token": token}),
        )
        assert expected in body, body


async def timed(server: Server, work: Callable[[], Awaitable[object]]) -> float:
    before = cpu_seconds(server.pid)
    await work()
    return (cpu_seconds(server.pid) - before) / (CHAINS * STEPS)


async def round_of(server: Server, introspected: str) -> dict[str, float]:
    async def all_codes() -> None:
        await asyncio.gather(*(codes(server) for _ in range(CHAINS)))

    used = {"authorization code": await timed(server, all_codes)}
    lines = [await wire(server) for _ in range(CHAINS)]
    first = await asyncio.gather(*(redeem(server, line) for line in lines))

    async def all_refreshes() -> None:
        await asyncio.gather(
            *(
                refreshes(server, line, answer["refresh_token"])
                for line, answer in zip(lines, first, strict=True)
            )
        )

    used["refresh"] = await timed(server, all_refreshes)
    fresh = await asyncio.gather(*(redeem(server, line) for line in lines))

    async def all_introspections(
        basic: str = BASIC, expected: bytes = b'"active":true'
    ) -> None:
        pairs = zip(lines, fresh, strict=True)
        await asyncio.gather(
            *(
                introspections(server, line, answer[introspected], basic, expected)
                for line, answer in pairs
            )
        )

    used["introspection"] = await timed(server, all_introspections)
    used["wrong secret"] = await timed(
        server, lambda: all_introspections(WRONG, b"invalid_client")
    )
    for line in lines:
        line.writer.close()
    return used


def settings_of(folder: Path) -> Settings:
    client = ClientSettings(
        "code",
        WELL_KNOWN_CLIENT_SECRET,
        grants=("authorization_code", "refresh_token"),
        redirect_uris=(CALLBACK,),
        consent="never",
    )
    return Settings(folder, IdentitySettings(clients=(client,)))


def signed_in_to_ours(settings: Settings) -> dict[str, str]:
    """Over the same store as the measured worker, with the application in this process."""
    import os
    import time
    import uuid

    from kapi.app.process import open_store
    from kapi.front.web.identity.app import build_identity_app
    from kapi.identity.wiring import make_provider

    store, _, keyring = open_store(settings)
    person = Person(
        over_asgi(
            build_identity_app(
                make_provider(
                    settings, store, keyring, os.urandom, lambda: str(uuid.uuid4())
                ),
                time.time,
            )
        )
    )
    query = urlencode(
        {
            "client_id": "code",
            "response_type": "code",
            "redirect_uri": CALLBACK,
            "scope": "openid",
        }
    )
    person.submit(person.open(f"/oauth2/authorize?{query}"), 1, one_click="superAdmin")
    store.database.close()
    return dict(person.cookies)


async def sign_in_to_peer(server: Server) -> None:
    line = await wire(server)
    query = urlencode(
        {
            "client_id": "code",
            "response_type": "code",
            "redirect_uri": CALLBACK,
            "scope": "openid default",
            "nonce": "n",
        }
    )
    path = f"{server.authorize}?{query}"
    for _ in range(6):
        cookie = "; ".join(f"{name}={value}" for name, value in server.cookies.items())
        _, headers, _ = await line.ask("GET", path, {"Cookie": cookie})
        for value in headers.get("set-cookie", []):
            name, _, content = value.partition(";")[0].partition("=")
            server.cookies[name] = content
        location = headers.get("location", [""])[0]
        if location.startswith(CALLBACK):
            return
        parts = urlsplit(location)
        path = parts.path + (f"?{parts.query}" if parts.query else "")
    raise AssertionError("the peer did not sign in")


async def measure(settings: Settings, cookies: dict[str, str]) -> None:
    ours, path = start_ours(settings)
    port = free_port()
    peer = start_peer(port)
    servers = {
        "kapi": Server(
            ours.pid,
            lambda: asyncio.open_unix_connection(str(path)),
            "/oauth2/authorize",
            "/oauth2/token",
            "/oauth2/introspect",
            cookies,
        )
    }
    used: dict[str, list[dict[str, float]]] = {"kapi": []}
    try:
        if peer is not None and peer.stdout is not None:
            peer.stdout.readline()
            servers["oidc-provider"] = Server(
                peer.pid,
                lambda: asyncio.open_connection("127.0.0.1", port),
                "/auth",
                "/token",
                "/token/introspection",
            )
            used["oidc-provider"] = []
            await sign_in_to_peer(servers["oidc-provider"])
        for number in range(ROUNDS + 1):
            for name, server in servers.items():
                result = await round_of(
                    server, "access_token" if name == "kapi" else "refresh_token"
                )
                if number:
                    used[name].append(result)
    finally:
        for process in (ours, peer):
            if process is not None:
                process.terminate()
                process.wait()
    report(used)


def report(used: dict[str, list[dict[str, float]]]) -> None:
    for flow in used["kapi"][0]:
        own = [result[flow] for result in used["kapi"]]
        line = f"{flow:<20} kapi {statistics.median(own) * 1e6:6.0f} µs CPU"
        if theirs := [result[flow] for result in used.get("oidc-provider", [])]:
            ratio = statistics.median(
                their / mine for their, mine in zip(theirs, own, strict=True)
            )
            peer = statistics.median(theirs) * 1e6
            line += f"   oidc-provider {peer:6.0f} µs   ÷ kapi {ratio:.2f}"
        print(line)
    cost = statistics.median(
        result["wrong secret"] / result["introspection"] for result in used["kapi"]
    )
    print(f"a wrong secret ÷ a right one   {cost:.2f}   (goal 1)")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        settings = settings_of(Path(folder))
        uvloop.run(measure(settings, signed_in_to_ours(settings)))


if __name__ == "__main__":
    main()
