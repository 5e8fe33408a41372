"""Passwords of people, kept as argon2id digests (RFC 9106; OWASP's least parameters: 19 MiB, two passes, one lane).

Slow on purpose, about thirty milliseconds: call it in a thread, never in the event loop. Client secrets are random and
need none of this (`clients.py`).
"""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argon2 import PasswordHasher

SHORTEST = 8
"""Characters (NIST SP 800-63B §5.1.1.2); there is no rule about which."""
LONGEST = 1024


@cache
def _hasher() -> PasswordHasher:
    # Imported late: a worker that only signs tokens never needs it.
    from argon2 import PasswordHasher

    return PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


def password_digest(password: str) -> str:
    """A salted digest in the PHC string format."""
    return _hasher().hash(_prepared(password))


def password_matches(digest: str, password: str) -> bool:
    """Whether the digest is of this password. Costs the same for an empty digest, so that an unknown person looks like a wrong password."""
    from argon2.exceptions import InvalidHashError, VerificationError

    if len(password) > LONGEST:
        return False
    try:
        same = _hasher().verify(digest or _nobody(), _prepared(password))
    except (VerificationError, InvalidHashError):
        return False
    return same and bool(digest)


@cache
def _nobody() -> str:
    return _hasher().hash("nobody has this password")


def _prepared(password: str) -> bytes:
    """The same bytes however a keyboard composes a character (RFC 8265 §4.2)."""
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
