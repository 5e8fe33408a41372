"""Authorization requests that wait for a person: kept while they sign in, choose or consent, for the browser that began them.

APK names the key `stateKey` in links and `sessionKey` in forms. A key that another browser began is of no use, so nobody can
be made to go on with a request that somebody else began (login CSRF).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kapi.errors import OAuthError
from kapi.identity.forms import Form
from kapi.identity.http import Request
from kapi.identity.provider import Provider
from kapi.identity.sessions import BROWSER
from kapi.store.records import Record, key_of

SECONDS = 900
_KIND = "interaction"


@dataclass(frozen=True, slots=True)
class Interaction:
    """One waiting request. The session ids say in which session each thing was done."""

    key: str
    """The secret in the link."""
    parameters: Form
    signed_in: str = ""
    chosen: str = ""
    consented: str = ""


def begin(provider: Provider, parameters: Form, browser: str, now: int) -> Interaction:
    """Keep a request for this browser."""
    key = provider.new_secret()
    payload = {"values": dict(parameters.values), "repeated": dict(parameters.repeated), "browser": key_of(browser)}
    provider.records.put(_KIND, Record(key_of(key), "", payload, now + SECONDS))
    return Interaction(key, parameters)


def interaction_of(provider: Provider, request: Request, key: str | None) -> Interaction:
    """The waiting request of this browser.

    Raises OAuthError when there is none: it is over, too old, or another browser's.
    """
    record = None if not key else provider.records.get(_KIND, key_of(key), request.now)
    browser = request.cookies.get(BROWSER, "")
    if key is None or record is None or record.consumed_at is not None or record.payload["browser"] != key_of(browser):
        raise OAuthError(
            "expired_session", "This sign-in is over or took too long, or cookies are off. Go back to the application and start again."
        )
    held = record.payload
    form = Form(held["values"], {name: tuple(values) for name, values in held["repeated"].items()})
    return Interaction(key, form, *(held.get(name, "") for name in ("signed_in", "chosen", "consented")))


def note(provider: Provider, interaction: Interaction, now: int, **done: str) -> None:
    """Write down in which session something was done: `signed_in`, `chosen`, `consented`."""

    def changed(record: Record) -> Mapping[str, Any]:
        return {**record.payload, **done}

    provider.records.update(_KIND, key_of(interaction.key), now, changed)


def finish(provider: Provider, interaction: Interaction, now: int) -> bool:
    """End the interaction; False when another request ended it first."""
    taken = provider.records.take(_KIND, key_of(interaction.key), now)
    return taken is not None and taken[1]
