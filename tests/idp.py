"""The inbuilt provider as an identity worker runs it, without a socket: for tests of single
endpoints.
"""

from __future__ import annotations

import base64
import json
import os
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import asgi
from kapi.fetch import fetch
from kapi.front.web.identity.app import build_identity_app
from kapi.identity.keys.keyring import ensure_keyring, needed_algorithms, new_key
from kapi.identity.people.ended import settle_accounts
from kapi.identity.provider import Provider
from kapi.identity.wiring import make_provider
from kapi.settings import WELL_KNOWN_CLIENT_ID, WELL_KNOWN_CLIENT_SECRET, Settings
from kapi.settings.words import DEFAULT_ALGORITHM
from kapi.store import Store
from kapi.store.keys import ACTIVE, Keys, StoredKey

FORM = "application/x-www-form-urlencoded"
CC = b"grant_type=client_credentials"
MADE = 1_700_000_000
"""When the signing keys were made."""


@cache
def _first_key(algorithm: str, kid: str) -> StoredKey:
    """Made once for all providers of a process: an RSA key takes 0.1 s."""
    return new_key(algorithm, MADE, ACTIVE, kid)


def provider_of(settings: Settings, store: Store, get: Any = fetch) -> Provider:
    identity, keys = settings.identity, Keys(store.database)
    algorithms = needed_algorithms(identity)
    if not keys.all():
        for algorithm in algorithms:
            named = identity.key_id if algorithm == DEFAULT_ALGORITHM else ""
            keys.add_first(_first_key(algorithm, named))
    keyring = ensure_keyring(keys, identity.key_id, MADE, algorithms)
    return make_provider(
        settings, store, keyring, os.urandom, lambda: str(uuid.uuid4()), get
    )


def settle(provider: Provider, now: int) -> None:
    settle_accounts(
        provider.settings.identity, provider.accounts, provider.shared_keys, now
    )


def identity_app(
    settings: Settings, store: Store, now: Callable[[], float], get: Any = fetch
) -> Any:
    """`get` is the network: what clients publish."""
    return build_identity_app(provider_of(settings, store, get), now)


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def basic(
    client: str = WELL_KNOWN_CLIENT_ID, secret: str = WELL_KNOWN_CLIENT_SECRET
) -> str:
    return "Basic " + base64.b64encode(f"{client}:{secret}".encode()).decode()


def call(
    app: Any,
    method: str = "POST",
    path: str = "/oauth2/token",
    body: bytes = CC,
    *,
    pieces: int = 1,
    **headers: str | list[str],
) -> Answer:
    """One request; header names in snake_case, a list repeats a header."""
    sent = [
        (name.replace("_", "-").encode(), value.encode("latin-1"))
        for name, values in ({"content_type": FORM} | headers).items()
        for value in (values if isinstance(values, list) else [values])
    ]
    size = max(1, -(-len(body) // pieces))
    parts = [body[start : start + size] for start in range(0, len(body), size)] or [b""]
    events = [
        {"type": "http.request", "body": part, "more_body": number < len(parts) - 1}
        for number, part in enumerate(parts)
    ]
    got: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return events.pop(0) if events else {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        got.append(message)

    asgi.run(
        app(
            {
                "type": "http",
                "method": method,
                "path": path.partition("?")[0],
                "query_string": path.partition("?")[2].encode(),
                "headers": sent,
            },
            receive,
            send,
        )
    )
    names = {name.decode(): value.decode() for name, value in got[0]["headers"]}
    return Answer(
        got[0]["status"], names, b"".join(message["body"] for message in got[1:])
    )
