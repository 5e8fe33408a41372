"""User codes (RFC 8628 §6.1): eight letters that a person types, and limits on guessing them (§5.1)."""

from __future__ import annotations

from collections.abc import Mapping

from kapi.identity.provider import Provider
from kapi.store.records import Record, key_of

ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"
"""No vowels, so no words; nothing that looks like another letter. 20 to the power of 8: 34 bits."""
LENGTH = 8
WINDOW = 300
MOST_TRIES = 10
"""Wrong codes of one person in a window of seconds: to find one of a thousand waiting codes they would try for years."""
_KIND, _TRIES = "user-code", "user-code-tries"


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
    if _tries(provider, person, now) >= MOST_TRIES:
        return None
    found = provider.records.get(_KIND, key_of(code), now) if len(code) == LENGTH else None
    if found is None:
        _count(provider, person, now)
        return None
    return str(found.payload["device"])


def forget(provider: Provider, code: str) -> None:
    """A code is of no use once it was decided on."""
    provider.records.delete(_KIND, key_of(code))


def _tries(provider: Provider, person: str, now: int) -> int:
    record = provider.records.get(_TRIES, key_of(person), now)
    return 0 if record is None else int(record.payload["count"])


def _count(provider: Provider, person: str, now: int) -> None:
    def one_more(record: Record) -> Mapping[str, int]:
        return {"count": int(record.payload["count"]) + 1}

    if not provider.records.add(_TRIES, Record(key_of(person), "", {"count": 1}, now + WINDOW), now):
        provider.records.update(_TRIES, key_of(person), now, one_more)
