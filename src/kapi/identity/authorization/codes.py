"""Authorization codes (RFC 6749 §4.1.2): 256 bits, used once.

A code is bound to client, redirect URI and PKCE challenge.
"""

from __future__ import annotations

from kapi.dataclass import dataclass
from kapi.identity.clients.clients import Client
from kapi.identity.people.authorized import Authorization, authorization_of
from kapi.identity.tokens.person_tokens import PersonTokens
from kapi.settings.identity.profiles import LONGEST_CODE_SECONDS
from kapi.store.records import Record, Records, key_of

CODE = "code"
"""Kind of records."""
_REMEMBERED = 3600
"""Seconds that an expired code is kept: a second use revokes what the first one issued."""


@dataclass(frozen=True, slots=True)
class Code:
    """The authorization behind a code."""

    authorization: Authorization
    redirect_uri: str
    redirect_uri_sent: bool
    challenge: str
    """S256 code challenge; empty when the request had none."""
    family: str
    valid_until: int
    used: bool = False

    def expired(self, now: int) -> bool:
        """Whether it has expired."""
        return now >= self.valid_until


def new_code(
    tokens: PersonTokens,
    client: Client,
    authorization: Authorization,
    now: int,
    *,
    redirect_uri: str,
    redirect_uri_sent: bool,
    challenge: str,
) -> str:
    """A new code for an authorization, which is stored."""
    code = tokens.new_secret()
    lifetime = tokens.identity.code_lifetime
    if client.settings.profile:
        lifetime = min(lifetime, LONGEST_CODE_SECONDS)
    valid_until = now + lifetime
    payload = {
        "authorization": authorization.payload(),
        "redirect_uri": redirect_uri,
        "redirect_uri_sent": redirect_uri_sent,
        "challenge": challenge,
        "valid_until": valid_until,
    }
    tokens.records.put(
        CODE,
        Record(key_of(code), tokens.new_id(), payload, valid_until + _REMEMBERED),
    )
    return code


def read_code(records: Records, code: str, now: int) -> Code | None:
    """The authorization behind a code, used or not, or None."""
    record = records.get(CODE, key_of(code), now)
    if record is None:
        return None
    held = record.payload
    return Code(
        authorization_of(held["authorization"]),
        held["redirect_uri"],
        held["redirect_uri_sent"],
        held["challenge"],
        record.family,
        held["valid_until"],
        record.consumed_at is not None,
    )
