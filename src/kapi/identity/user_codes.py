"""User codes (RFC 8628 §6.1): eight letters that a person types, and limits on guessing them (§5.1)."""

from __future__ import annotations

from kapi.identity.provider import Provider
from kapi.store.records import Record, key_of

ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"
"""No vowels, so no words; nothing that looks like another letter. 20 to the power of 8: 34 bits."""
LENGTH = 8
MOST_TRIES = 10
"""Wrong codes of one person in five minutes: to find one of a thousand waiting codes they would try for years."""
_KIND = "user-code"


def new_user_code(provider: Provider, device_key: str, now: int, lifetime: int) -> str:
    """A fresh code for a device code, by the key of its record."""
    while True:
        code = "".join(ALPHABET[byte % len(ALPHABET)] for byte in provider.random_bytes(64) if byte < 240)[:LENGTH]
        if len(code) == LENGTH and provider.records.add(_KIND, Record(key_of(code), "", {"device": device_key}, now + lifetime), now):
            return code


def shown(code: str) -> str:
    """As people read it."""
    return f"{code[:4]}-{code[4:]}"


def plain(typed: str) -> str:
    """What somebody typed, reduced to the letters of a code."""
    return "".join(letter for letter in typed[:64].upper() if letter in ALPHABET)


def device_of(provider: Provider, code: str, person: str, now: int) -> str | None:
    """The key of the device code; None for a wrong code, or when this person has tried too many."""
    most = {f"user code {person}": MOST_TRIES}
    # Counted first, so that parallel tries cannot share one count.
    if provider.tries.count(most, now):
        return None
    found = provider.records.get(_KIND, key_of(code), now) if len(code) == LENGTH else None
    if found is None:
        return None
    provider.tries.take_back(most)
    return str(found.payload["device"])


def forget(provider: Provider, code: str) -> None:
    """A code is of no use once it was decided on."""
    provider.records.delete(_KIND, key_of(code))
