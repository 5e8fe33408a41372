"""Signs a person in by a code on another device (RFC 8628), or keeps a client and its secret."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from kapi.dataclass import dataclass
from kapi.errors import KapiError, Problem
from kapi.front.cli.server.base import Answer
from kapi.front.cli.server.credentials import Credential
from kapi.front.cli.server.discovery import Provider
from kapi.front.cli.server.grants import (
    DEVICE_CODE,
    authenticated,
    client_credentials,
    refused,
)
from kapi.front.cli.server.remote import RemoteServer, with_tokens

_SLOWER = 5
"""Seconds that `slow_down` adds (RFC 8628 §3.5)."""
_LONGEST = 1800
"""Seconds that a code is waited for at most."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What to sign in with. A client without a secret is public."""

    client: str
    secret: str
    scopes: tuple[str, ...]


def as_client(server: RemoteServer, wish: Wish) -> Credential:
    """The credential of a client, after a token was got with it. Raises KapiError."""
    if not wish.secret:
        raise KapiError(
            "login", "the client needs its secret", hint="Use --secret-stdin."
        )
    provider = server.provider()
    made = Credential(wish.client, provider.token_endpoint, wish.secret)
    sent = client_credentials(wish.client, wish.secret, wish.scopes)
    answer = server.post(provider.token_endpoint, sent)
    if answer.status != 200:
        raise _refused(wish, answer)
    return made


def as_person(
    server: RemoteServer,
    wish: Wish,
    tell: Callable[[str, str], None],
    sleep: Callable[[float], None] = time.sleep,
) -> Credential:
    """The tokens of a person. `tell` gets the address to open and the code. Raises KapiError."""
    provider = server.provider()
    if not provider.device_endpoint:
        raise KapiError(
            "login",
            f"{provider.issuer} has no device authorization endpoint",
            hint="Sign in as a client: kapi login --client-credentials.",
        )
    fields = {"scope": " ".join(wish.scopes)}
    answer = server.post(
        provider.device_endpoint, authenticated(fields, wish.client, wish.secret)
    )
    asked = answer.members
    if answer.status != 200 or not asked.get("device_code"):
        raise _refused(wish, answer)
    tell(
        str(asked.get("verification_uri_complete") or asked.get("verification_uri")),
        str(asked.get("user_code")),
    )
    made = Credential(
        wish.client, provider.token_endpoint, wish.secret, scopes=" ".join(wish.scopes)
    )
    return with_tokens(made, _awaited(server, provider, wish, asked, sleep))


def _awaited(
    server: RemoteServer,
    provider: Provider,
    wish: Wish,
    asked: dict[str, Any],
    sleep: Callable[[float], None],
) -> dict[str, Any]:
    """The token answer, as soon as the person has agreed. Raises KapiError."""
    pause = _seconds(asked.get("interval"), 5)
    end = time.monotonic() + min(_LONGEST, _seconds(asked.get("expires_in"), 600))
    fields = {"grant_type": DEVICE_CODE, "device_code": str(asked["device_code"])}
    while time.monotonic() < end:
        sleep(pause)
        answer = server.post(
            provider.token_endpoint, authenticated(fields, wish.client, wish.secret)
        )
        found = answer.members
        if answer.status == 200:
            return found
        if found.get("error") == "slow_down":
            pause += _SLOWER
        elif found.get("error") != "authorization_pending":
            raise _refused(wish, answer)
    raise KapiError("login", "the code has expired", hint="Run `kapi login` again.")


def _seconds(value: Any, otherwise: int) -> int:
    if isinstance(value, int) and value > 0:
        return value
    return otherwise


def chosen_scopes(given: Iterable[str], supported: Iterable[str]) -> tuple[str, ...]:
    """The scopes to ask for: those given, or all that the platform's system APIs know."""
    found = tuple(part for item in given for part in item.split())
    return found or tuple(supported)


def _refused(wish: Wish, answer: Answer) -> Problem:
    what = f"the provider refused the client {wish.client}"
    if answer.members.get("error") == "invalid_scope":
        hint = "Name the scopes that the client may ask for: kapi login --scope SCOPE …"
        return refused(answer, what, hint)
    return refused(
        answer, what, "Check its id, secret, grants and scopes at the provider."
    )
