"""User codes (RFC 8628 §6.1): eight letters that a person types, with limits (§5.1)."""

from __future__ import annotations

import re
from collections.abc import Callable

from kapi.store.login_attempts import LoginAttempts
from kapi.store.records import Record, Records, key_of

KIND = "device"
"""Kind of the records of device codes."""
ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"
"""No vowels, so no words; no two letters that look alike. 20 to the power of 8: 34 bits."""
_NOT_IN_CODE = re.compile(f"[^{ALPHABET}]")
LENGTH = 8
MOST_TRIES = 10
"""Wrong codes of one person in five minutes: guessing one of a thousand codes takes years."""


def new_user_code(
    records: Records, random_bytes: Callable[[int], bytes], now: int
) -> str:
    """A new code; the record of the device code is found by it (`owner_of`)."""
    while True:
        letters = []
        for byte in random_bytes(64):
            if byte < 240:
                letters.append(ALPHABET[byte % 20])
        code = "".join(letters[:LENGTH])
        if len(code) == LENGTH and not records.family(KIND, owner_of(code), now):
            return code


def owner_of(code: str) -> str:
    """The owner of the record of the device code."""
    return f"user code {key_of(code)}"


def shown(code: str) -> str:
    """The code as it is shown, with a hyphen."""
    return f"{code[:4]}-{code[4:]}"


def plain(typed: str) -> str:
    """The letters of a code in the typed text."""
    return _NOT_IN_CODE.sub("", typed[:64].upper())


def device_of(
    records: Records, attempts: LoginAttempts, code: str, person: str, now: int
) -> Record | None:
    """The record of the device code; None for a wrong code, or at the limit of this person."""
    most = {f"user code {person}": MOST_TRIES}
    # Counted first, so that parallel requests are all counted.
    if attempts.count(most, now) or len(code) != LENGTH:
        return None
    found = records.family(KIND, owner_of(code), now)
    if len(found) != 1:
        return None
    attempts.take_back(most)
    return found[0]
