"""Passwords of people, as argon2id digests (RFC 9106) with OWASP's minimum: 19 MiB, two passes.

Takes about 30 milliseconds: call it in a thread, not in the event loop. Client secrets are random
and need no slow digest (`clients.py`).
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
    # Imported on use: a worker that only signs tokens does not need it.
    from argon2 import PasswordHasher

    return PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


def password_digest(password: str) -> str:
    """A salted digest in the PHC string format."""
    return _hasher().hash(_prepared(password))


def password_matches(digest: str, password: str) -> bool:
    """Whether the digest is of this password.

    An empty digest, of an unknown person, takes as long as a wrong password.
    """
    from argon2.exceptions import InvalidHashError, VerificationError

    if len(password) > LONGEST:
        return False
    try:
        same = _hasher().verify(digest or _of_unknown(), _prepared(password))
    except (VerificationError, InvalidHashError):
        return False
    return same and bool(digest)


@cache
def _of_unknown() -> str:
    return _hasher().hash("the password of an unknown person")


def _prepared(password: str) -> bytes:
    """UTF-8 of the normal form C (RFC 8265 §4.2)."""
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
