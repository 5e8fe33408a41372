"""Authorization requests that wait for a person: for sign-in, choice of account or consent.

The request is encrypted in links and forms, so that opening sign-in pages stores nothing; the steps
of a signed-in person are a record. APK calls the key `stateKey` in links and `sessionKey` in forms.
A key is valid in the browser that began the request only (login CSRF).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kapi.dataclass import dataclass
from kapi.errors import OAuthError
from kapi.identity.authorization.request import AuthorizationRequest
from kapi.identity.people.sessions import BROWSER
from kapi.identity.protocol.forms import Form, form_from
from kapi.identity.protocol.http import Request
from kapi.identity.protocol.sealed import Seal
from kapi.store.records import Record, Records, key_of

SECONDS = 900
LONGEST_KEY = 12 * 1024
"""Characters. A link and its referrer contain the key, within the gateway's 32 kB of headers."""
_KIND = "interaction"


@dataclass(frozen=True, slots=True)
class Interaction:
    """One waiting request. `signed_in`, `chosen` and `consented` are session ids."""

    key: str
    """The encrypted request, as in the link."""
    parameters: Form
    expires_at: int = 0
    pushed_key: str = ""
    signed_in: str = ""
    chosen: str = ""
    consented: str = ""

    def request(self, now: int) -> AuthorizationRequest:
        """The request, to be checked again."""
        return AuthorizationRequest(
            self.parameters, now, resumed=True, pushed_key=self.pushed_key
        )


def begin(
    seal: Seal, request: AuthorizationRequest, browser: str, now: int
) -> Interaction:
    """Encrypt a request for this browser. Raises OAuthError when it is too large for a link."""
    parameters = request.parameters
    held = {
        "values": dict(parameters.values),
        "repeated": dict(parameters.repeated),
        "pushed": request.pushed_key,
        "browser": key_of(browser),
        "expires_at": now + SECONDS,
    }
    key = seal.close(held)
    if len(key) > LONGEST_KEY:
        raise OAuthError(
            "invalid_request",
            "The parameters are too long for the pages of the sign-in; send shorter ones",
        )
    return Interaction(key, parameters, now + SECONDS, request.pushed_key)


def interaction_of(
    seal: Seal, records: Records, request: Request, key: str | None
) -> Interaction:
    """The waiting request of this browser.

    Raises OAuthError when it is finished, expired, or of another browser.
    """
    held = _opened(seal, request, key)
    if key is None or held is None:
        raise _over()
    record = records.get(_KIND, key_of(key), request.now)
    done: Mapping[str, Any] = {}
    if record is not None:
        if record.consumed_at is not None:
            raise _over()
        done = record.payload
    return Interaction(
        key,
        form_from(held),
        held["expires_at"],
        held.get("pushed", ""),
        signed_in=done.get("signed_in", ""),
        chosen=done.get("chosen", ""),
        consented=done.get("consented", ""),
    )


def _opened(seal: Seal, request: Request, key: str | None) -> Mapping[str, Any] | None:
    """The content of a key that has not expired and belongs to this browser, or None."""
    if not key or len(key) > LONGEST_KEY:
        return None
    held = seal.open(key)
    if held is None or held["expires_at"] <= request.now:
        return None
    if held["browser"] != key_of(request.cookies.get(BROWSER, "")):
        return None
    return held


def _over() -> OAuthError:
    return OAuthError(
        "expired_session",
        "This sign-in is over or took too long, or cookies are off."
        " Go back to the application and start again.",
    )


def note(records: Records, interaction: Interaction, now: int, **done: str) -> None:
    """Store the session id of a step: `signed_in`, `chosen`, `consented`."""

    def changed(record: Record) -> Mapping[str, Any]:
        return {**record.payload, **done}

    key = key_of(interaction.key)
    if not records.add(_KIND, Record(key, "", done, interaction.expires_at), now):
        records.update(_KIND, key, now, changed)


def finish(records: Records, interaction: Interaction, now: int) -> bool:
    """End the interaction; False when another request ended it first."""
    key = key_of(interaction.key)
    records.add(_KIND, Record(key, "", {}, interaction.expires_at), now)
    taken = records.take(_KIND, key, now)
    return taken is not None and taken[1]
