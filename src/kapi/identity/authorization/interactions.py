"""Authorization requests that wait for a person: while they sign in, choose or consent, for the browser that began them.

The request itself travels sealed in the links and forms, so that a stranger who opens sign-in pages makes the store keep nothing; what a
signed-in person did about it is a record. APK names the key `stateKey` in links and `sessionKey` in forms. A key that another browser
began is of no use, so nobody can be made to go on with a request that somebody else began (login CSRF).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kapi.errors import OAuthError
from kapi.identity.authorization.request import AuthorizationRequest
from kapi.identity.people.sessions import BROWSER
from kapi.identity.protocol.forms import Form
from kapi.identity.protocol.http import Request
from kapi.identity.provider import Provider
from kapi.store.records import Record, key_of

SECONDS = 900
LONGEST_KEY = 12 * 1024
"""Characters: a browser sends the key in a link, and the link as referrer, within the gateway's 32 kB of headers."""
_KIND = "interaction"


@dataclass(frozen=True, slots=True)
class Interaction:
    """One waiting request. The session ids say in which session each thing was done."""

    key: str
    """What stands in the link: the sealed request."""
    parameters: Form
    expires_at: int = 0
    pushed_key: str = ""
    signed_in: str = ""
    chosen: str = ""
    consented: str = ""

    def request(self, now: int) -> AuthorizationRequest:
        """The request that goes on."""
        return AuthorizationRequest(self.parameters, now, resumed=True, pushed_key=self.pushed_key)


def begin(provider: Provider, request: AuthorizationRequest, browser: str, now: int) -> Interaction:
    """Seal a request for this browser. Raises OAuthError when it is too large for a link."""
    parameters = request.parameters
    held = {
        "values": dict(parameters.values),
        "repeated": dict(parameters.repeated),
        "pushed": request.pushed_key,
        "browser": key_of(browser),
        "expires_at": now + SECONDS,
    }
    key = provider.seal.close(held)
    if len(key) > LONGEST_KEY:
        raise OAuthError(
            "invalid_request",
            "The parameters are too long for the pages of the sign-in; send shorter ones",
        )
    return Interaction(key, parameters, now + SECONDS, request.pushed_key)


def interaction_of(provider: Provider, request: Request, key: str | None) -> Interaction:
    """The waiting request of this browser.

    Raises OAuthError when there is none: it is over, too old, or another browser's.
    """
    held = provider.seal.open(key) if key and len(key) <= LONGEST_KEY else None
    browser = request.cookies.get(BROWSER, "")
    if (
        key
        and held is not None
        and held["expires_at"] > request.now
        and held["browser"] == key_of(browser)
    ):
        record = provider.records.get(_KIND, key_of(key), request.now)
        if record is None or record.consumed_at is None:
            done: Mapping[str, Any] = {} if record is None else record.payload
            form = Form(
                held["values"], {name: tuple(values) for name, values in held["repeated"].items()}
            )
            said = (done.get(name, "") for name in ("signed_in", "chosen", "consented"))
            return Interaction(key, form, held["expires_at"], held.get("pushed", ""), *said)
    raise OAuthError(
        "expired_session",
        "This sign-in is over or took too long, or cookies are off. Go back to the application and start again.",
    )


def note(provider: Provider, interaction: Interaction, now: int, **done: str) -> None:
    """Write down in which session something was done: `signed_in`, `chosen`, `consented`."""

    def changed(record: Record) -> Mapping[str, Any]:
        return {**record.payload, **done}

    key = key_of(interaction.key)
    if not provider.records.add(_KIND, Record(key, "", done, interaction.expires_at), now):
        provider.records.update(_KIND, key, now, changed)


def finish(provider: Provider, interaction: Interaction, now: int) -> bool:
    """End the interaction; False when another request ended it first."""
    key = key_of(interaction.key)
    provider.records.add(_KIND, Record(key, "", {}, interaction.expires_at), now)
    taken = provider.records.take(_KIND, key, now)
    return taken is not None and taken[1]
