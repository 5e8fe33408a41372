"""`kapi call`: call a deployed API or a system API with a token, as curl would."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import urlsplit

import typer

from kapi.errors import Problem
from kapi.front.cli.client import Client
from kapi.front.cli.options import Config, DataDir, settings_of
from kapi.front.cli.output import exit_of_status, put_bytes, say, usage

if TYPE_CHECKING:
    from kapi.front.cli.server.base import Answer
    from kapi.settings import Settings

_METHOD: Final = re.compile("[A-Z]{1,20}")
_REQUIRED_SCOPE: Final = re.compile('error="insufficient_scope", scope="([^"]*)"')
_FOR_PEOPLE: Final = "/testing/mint"

Target = Annotated[
    list[str],
    typer.Argument(
        metavar="[METHOD] PATH", help="GET when left out; the path or the whole URL."
    ),
]
As = Annotated[
    str,
    typer.Option(
        "--as",
        metavar="CLIENT|USER",
        help="Who calls; else a client.",
        show_default=False,
    ),
]
Scopes = Annotated[
    list[str] | None,
    typer.Option(
        "--scope", help="A scope of the token; may be repeated.", show_default=False
    ),
]
Headers = Annotated[
    list[str] | None,
    typer.Option(
        "-H", "--header", metavar="NAME: VALUE", help="A header.", show_default=False
    ),
]
Body = Annotated[
    str | None,
    typer.Option(
        "-d",
        "--data",
        metavar="TEXT|@FILE|-",
        help="The body; POST then.",
        show_default=False,
    ),
]
NoToken = Annotated[bool, typer.Option("--no-token", help="Send no token.")]
Host = Annotated[
    str,
    typer.Option("--host", help="The host; else that of the API.", show_default=False),
]
Include = Annotated[
    bool, typer.Option("-i", "--include", help="Show the headers of the answer.")
]


def call(
    target: Target,
    caller: As = "",
    scope: Scopes = None,
    header: Headers = None,
    data: Body = None,
    no_token: NoToken = False,
    host: Host = "",
    include: Include = False,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Call an API with a token; CA, host and token are found. Exit code 4 if it is refused.

    Examples:
      kapi call /petstore/1.0.0/pet/1
      kapi call POST /petstore/1.0.0/pet -d '{"name": "Rex"}' --scope pets:write
      kapi call /petstore/1.0.0/pet/1 --as org1user
    """
    settings = settings_of(data_dir, config)
    method, path, named_host = _request_of(target, data)
    client = Client(settings, _client_id(settings, caller))
    sent = _headers(header)
    body = _body(data)
    if body is not None and "content-type" not in {name.lower() for name in sent}:
        sent["Content-Type"] = _content_type(body)
    token = ""
    if not no_token and "authorization" not in {name.lower() for name in sent}:
        token = _token(client, settings, caller, _words(scope))
    where = host or named_host or _host_of(client, path)
    begun = time.monotonic()
    answer = client.request(where, method, path, body, sent, token=token)
    _show(answer, time.monotonic() - begun, include=include)


def _request_of(target: Sequence[str], data: str | None) -> tuple[str, str, str]:
    """Method, path with its query, and the host of a whole URL."""
    if len(target) > 2:
        usage(
            "call takes a method and a path",
            "Give headers with -H and the body with -d.",
        )
    method = "GET" if data is None else "POST"
    if len(target) == 2:
        method = target[0].upper()
    if not _METHOD.fullmatch(method):
        usage(
            f"{method[:40]} is not a method",
            "Write it as GET or POST, before the path.",
        )
    parts = urlsplit(target[-1])
    path = parts.path or "/"
    if not path.startswith("/"):
        usage(
            f"{path[:80]} is not a path",
            f"Write it as /{path[:80]}, or give the whole URL.",
        )
    if not target[-1].isascii() or any(char <= " " for char in target[-1]):
        usage("the path has spaces or non-ASCII characters", "Percent-encode them.")
    query = ""
    if parts.query:
        query = f"?{parts.query}"
    return method, path + query, parts.hostname or ""


def _client_id(settings: Settings, caller: str) -> str | None:
    """The caller as a client, unless it is a person of the settings."""
    if not caller or _is_person(settings, caller):
        return None
    return caller


def _is_person(settings: Settings, caller: str) -> bool:
    """Whether a caller is neither a client of the settings nor one whose secret is given."""
    is_client = any(client.id == caller for client in settings.identity.clients)
    return not is_client and not os.environ.get("KAPI_CLIENT_SECRET")


def _token(
    client: Client, settings: Settings, caller: str, scopes: tuple[str, ...]
) -> str:
    """A token of the client, or of the person, which only a platform for tests can mint."""
    if not caller or not _is_person(settings, caller):
        return client.token(scopes)
    wish: dict[str, Any] = {"user": caller}
    for user in settings.identity.users:
        if user.username == caller and user.organizations:
            wish["organization"] = user.organizations[0]
    if scopes:
        wish["scope"] = " ".join(scopes)
    return str(client.power("POST", _FOR_PEOPLE, wish)["token"])


def _words(scopes: Iterable[str] | None) -> tuple[str, ...]:
    return tuple(part for item in scopes or () for part in item.split())


def _headers(given: Iterable[str] | None) -> dict[str, str]:
    found = {}
    for item in given or ():
        name, separator, value = item.partition(":")
        if not separator or not name.strip():
            usage(f"{item[:60]} is not a header", "Write it as 'Name: value'.")
        found[name.strip()] = value.strip()
    return found


def _body(data: str | None) -> bytes | None:
    if data is None:
        return None
    if data == "-":
        return typer.get_binary_stream("stdin").read()
    if not data.startswith("@"):
        return data.encode()
    try:
        return Path(data[1:]).read_bytes()
    except OSError as error:
        usage(
            f"cannot read {data[1:]}: {error.strerror}",
            "Name a file that you may read.",
        )


def _content_type(body: bytes) -> str:
    try:
        json.loads(body)
    except ValueError:
        return "application/x-www-form-urlencoded"
    return "application/json"


def _host_of(client: Client, path: str) -> str:
    """The host of the deployed API whose path is the start of this one, production first."""
    found: list[tuple[int, int, str]] = []
    apis = _apis(client)
    for api in apis or ():
        for url in api["urls"]:
            parts = urlsplit(url)
            base = parts.path.rstrip("/")
            if path == base or path.startswith((f"{base}/", f"{base}?")):
                found.append((-len(base), len(found), parts.hostname or ""))
    if found:
        return min(found)[2]
    if path.startswith("/api/"):
        return client.server.api_host
    if apis is not None:
        say(f"hint: no deployed API answers at {path[:80]}; see `kapi apis`.")
    return client.server.default_host


def _apis(client: Client) -> list[dict[str, Any]] | None:
    """The deployed APIs; None for a caller who may not list them."""
    try:
        return client.apis()
    except Problem:
        return None


def _show(answer: Answer, took: float, *, include: bool) -> None:
    """The body to standard output, the rest to standard error. `took` is in seconds."""
    say(f"{answer.status} in {took * 1000:.0f} ms")
    if include:
        for name, value in answer.headers.items():
            say(f"{name}: {value}")
    put_bytes(answer.body)
    if answer.status < 400:
        return
    _advise(answer.headers)
    raise SystemExit(exit_of_status(answer.status))


def _advise(headers: Mapping[str, str]) -> None:
    missing = _REQUIRED_SCOPE.search(headers.get("www-authenticate", ""))
    if missing:
        options = " ".join(f"--scope {scope}" for scope in missing[1].split())
        say(f"hint: the token lacks a scope; add {options}")
    number = headers.get("x-request-id", "")
    if number:
        say(f"hint: `kapi why {number}` says why.")
