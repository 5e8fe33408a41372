"""User codes (RFC 8628 §6.1): eight letters that a person types, and limits on guessing them (§5.1)."""

from __future__ import annotations

from kapi.identity.provider import Provider
from kapi.store.records import Record, key_of

KIND = "device"
"""Kind of the records of device codes."""
ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"
"""No vowels, so no words; nothing that looks like another letter. 20 to the power of 8: 34 bits."""
LENGTH = 8
MOST_TRIES = 10
"""Wrong codes of one person in five minutes: to find one of a thousand waiting codes they would try for years."""


def new_user_code(provider: Provider, now: int) -> str:
    """A fresh code; the record of the device code is found by it (`owner_of`)."""
    while True:
        code = "".join(
            ALPHABET[byte % len(ALPHABET)] for byte in provider.random_bytes(64) if byte < 240
        )[:LENGTH]
        if len(code) == LENGTH and not provider.records.family(KIND, owner_of(code), now):
            return code


def owner_of(code: str) -> str:
    """What finds the device code of a user code."""
    return f"user code {key_of(code)}"


def shown(code: str) -> str:
    """As people read it."""
    return f"{code[:4]}-{code[4:]}"


def plain(typed: str) -> str:
    """What somebody typed, reduced to the letters of a code."""
    return "".join(letter for letter in typed[:64].upper() if letter in ALPHABET)


def device_of(provider: Provider, code: str, person: str, now: int) -> Record | None:
    """The record of the device code; None for a wrong code, or when this person has tried too many."""
    most = {f"user code {person}": MOST_TRIES}
    # Counted first, so that parallel tries cannot share one count.
    if provider.login_attempts.count(most, now):
        return None
    found = provider.records.family(KIND, owner_of(code), now) if len(code) == LENGTH else ()
    if len(found) != 1:
        return None
    provider.login_attempts.take_back(most)
    return found[0]
