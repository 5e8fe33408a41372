"""A console in this process: its sign-in and sessions are real, the system APIs note their calls,
and the token endpoint is a Unix socket with one answer.
"""

from __future__ import annotations

import asyncio
import http.server
import json
import os
import socketserver
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request

from console_browser import CONSOLE, PROVIDER, Browser
from kapi.front.web.console.api_pages import ApiPages
from kapi.front.web.console.call_pages import CallPages
from kapi.front.web.console.console import Console, PageRow
from kapi.front.web.console.deploy_pages import DeployPages
from kapi.front.web.console.editing.applications import ApplicationPages
from kapi.front.web.console.editing.pages import EditPages
from kapi.front.web.console.people_pages import PeoplePages
from kapi.front.web.console.platform_pages import PlatformPages
from kapi.front.web.console.sessions import Sessions
from kapi.front.web.console.settings_pages import SettingsPages
from kapi.front.web.console.sign_in import Provider, SignIn
from kapi.gateway.calls.history import CallHistory
from kapi.identity.accounts.users import Users
from kapi.identity.issuers.verify import IssuerKeys, Principal
from kapi.run_files import identity_socket
from kapi.settings import ClientSettings, IdentitySettings, Settings, UserSettings
from kapi.store.engine.database import Database
from kapi.store.users import UserStore
from person import Page, Person, over_asgi

NOW = 1_800_000_000
SECRET = "secret of the:console"
PEOPLE = (
    UserSettings("paula", "x", ("default",), groups=("kapi-operators",)),
    UserSettings("olivia", "x", ("acme",), groups=("kapi-operators",)),
    UserSettings("rita", "x", ("acme",), groups=("kapi-readers",)),
    UserSettings("nora", "x", ("acme",), groups=("sales",)),
)


@dataclass
class TokenEndpoint:
    """What it answers, and what it was asked: the headers and the form of each request."""

    answer: bytes = b"{}"
    asked: list[tuple[dict[str, str], dict[str, str]]] = field(default_factory=list)

    def gives(self, **members: Any) -> None:
        self.answer = json.dumps(members).encode()


@contextmanager
def token_endpoint(settings: Settings) -> Iterator[TokenEndpoint]:
    """The provider's token endpoint, at the socket of its first worker."""
    endpoint = TokenEndpoint()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            headers = {name.lower(): value for name, value in self.headers.items()}
            endpoint.asked.append(
                ({":path": self.path, **headers}, dict(parse_qsl(body)))
            )
            self.send_response(200)
            self.end_headers()
            self.wfile.write(endpoint.answer)

        def log_message(self, *_: Any) -> None:
            pass

    path = identity_socket(settings, 0)
    path.parent.mkdir(parents=True, exist_ok=True)
    with socketserver.UnixStreamServer(str(path), Handler) as server:
        thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.02}
        )
        thread.start()
        try:
            yield endpoint
        finally:
            server.shutdown()
            thread.join(20)
            path.unlink()


@dataclass
class NotedApis:
    """System APIs with set answers. A change without one succeeds; nothing else is there."""

    answers: dict[tuple[str, str], tuple[int, Any, dict[str, str]]] = field(
        default_factory=dict
    )
    calls: list[tuple[str, str, bytes]] = field(default_factory=list)
    """Method, path with query, body."""
    headers: list[dict[str, str]] = field(default_factory=list)
    """Of these calls."""
    late: set[tuple[str, str]] = field(default_factory=set)
    """What is not there yet when it is asked for the first time."""

    def answer(
        self, method: str, path: str, value: Any, status: int = 200, **headers: str
    ) -> None:
        self.answers[method, path] = (status, value, headers)

    @property
    def changes(self) -> list[tuple[str, str]]:
        """The calls that are no GET."""
        return [(method, path) for method, path, _ in self.calls if method != "GET"]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        method, path = scope["method"], scope["raw_path"].decode()
        query = scope["query_string"].decode()
        body = (await receive())["body"]
        self.calls.append((method, f"{path}?{query}".rstrip("?"), body))
        self.headers.append(
            {name.decode(): text.decode() for name, text in scope["headers"]}
        )
        usual = (
            (404, {"code": 1, "message": "It is not there"})
            if method == "GET"
            else (200, {})
        )
        status, value, *more = self.answers.get((method, path), usual)
        if (method, path) in self.late:
            self.late.discard((method, path))
            status, value = 404, {"code": 1, "message": "It is not there yet"}
        content = value if isinstance(value, bytes) else json.dumps(value).encode()
        headers = {"content-type": "application/json", **(more[0] if more else {})}
        fields = [(name.encode(), text.encode()) for name, text in headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": fields})
        await send({"type": "http.response.body", "body": content})


@dataclass
class World:
    """The console, and what is around it."""

    settings: Settings
    tokens: TokenEndpoint
    app: Starlette
    apis: NotedApis
    history: CallHistory
    sources: dict[str, tuple[str, bytes]]
    """Conf and definition of each API by its id."""
    issuers: list[IssuerKeys]
    """Those that are trusted."""

    def browser(self, **headers: str) -> Browser:
        """A browser in which nobody is signed in."""
        person = Person(over_asgi(staying(self.app)), headers=headers)
        return Browser(0, person, person, (CONSOLE, PROVIDER))

    def signed_in(self, name: str) -> Browser:
        """The browser of a person who is signed in."""
        browser = self.browser()
        page = self.callback(browser, name)
        assert (page.status, page.location) == (303, "/console/"), page.text
        self.apis.calls.clear()
        return browser

    def callback(self, browser: Browser, name: str) -> Page:
        """The page after the provider signed this person in."""
        state = browser.console.ask("GET", "/console/sign-in").parameters["state"]
        self.tokens.gives(access_token=f"token of {name}")
        return browser.console.ask("GET", f"/console/callback?code=c&state={state}")


def staying(app: Any) -> Any:
    """The application, for a browser that waits for the answer."""

    async def answered(scope: Any, receive: Any, send: Any) -> None:
        async def waiting() -> Any:
            message = await receive()
            if message["type"] == "http.disconnect":
                await asyncio.Event().wait()
            return message

        await app(scope, waiting, send)

    return answered


def person_of(token: str) -> Principal:
    """The person of a token of this token endpoint."""
    name = token.removeprefix("token of ")
    organization = "default" if name == "paula" else "acme"
    return Principal(name, "kapi-console", frozenset(), organization)


Sources = dict[str, tuple[str, bytes]]
More = Callable[[Provider, Sources], Sequence[PageRow]]
"""Makes further pages, from the provider and the sources of the APIs."""


def no_more(_provider: Provider, _sources: Sources) -> Sequence[PageRow]:
    return ()


@contextmanager
def console_world(
    folder: Path, *clients: ClientSettings, more: More = no_more
) -> Iterator[World]:
    """A console with its data in this folder."""
    settings = Settings(folder, IdentitySettings(users=PEOPLE, clients=clients))
    database = Database.open(folder / "kapi.db")
    provider = Provider(settings, lambda: SECRET, person_of)
    users = Users(PEOPLE, UserStore(database))
    sessions = Sessions(settings, database, os.urandom, lambda: float(NOW), users)
    apis, history = NotedApis(), CallHistory()
    sources: Sources = {}
    issuers: list[IssuerKeys] = []

    def origin(request: Request) -> str:
        return settings.gateway.origin(provider.host(request))

    rows = (
        *ApiPages(sources.get, history, lambda: float(NOW)).rows(),
        *DeployPages(settings.apis).rows(),
        *ApplicationPages().rows(),
        *CallPages().rows(),
        *EditPages().rows(),
        *PeoplePages().rows(),
        *PlatformPages(lambda: issuers).rows(),
        *SettingsPages(settings).rows(),
        *more(provider, sources),
    )
    sign_in = SignIn(provider, sessions, os.urandom)
    routes = Console(sessions, sign_in, lambda: apis, origin, rows).routes()
    try:
        with token_endpoint(settings) as tokens:
            app = Starlette(routes=routes)
            yield World(settings, tokens, app, apis, history, sources, issuers)
    finally:
        database.close()
