"""Finds secrets in text by their shape: JWTs, and the 256-bit secrets of the provider (codes,
refresh tokens, cookies, keys of links).

`harness.Platform.stop` looks through every log of every platform that a test starts.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote

from kapi.settings import WELL_KNOWN_CLIENT_SECRET

_JWT = re.compile(r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}")
_SECRET = re.compile(
    r"(?<![A-Za-z0-9_-])(?=[a-z0-9_-]*[A-Z])(?=[A-Z0-9_-]*[a-z])(?=\D*\d)[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])"
)
_KEY_IDS = re.compile(
    r"issuer \S+: (?:keys changed: .*|.*; it is not used)$", re.MULTILINE
)
"""Names of public keys are told in the log, and some issuers name a key by its thumbprint, which
looks like a secret.
"""
_BASIC = re.compile(r"Basic [A-Za-z0-9+/=]{12,}", re.IGNORECASE)


def leaks(text: str, also: Iterable[str] = ()) -> list[str]:
    """What looks like a secret, and those of `also` that are there, as they are or encoded for a
    URL or for Basic.
    """
    found = [match[0] for pattern in (_JWT, _BASIC) for match in pattern.finditer(text)]
    found += [match[0] for match in _SECRET.finditer(_KEY_IDS.sub("", text))]
    plain = unquote(text)
    for secret in also:
        encoded = base64.b64encode(secret.encode()).decode().rstrip("=")
        found += [form for form in (secret, encoded) if form in text or form in plain]
    return found


def leaks_in(folder: Path, also: Iterable[str] = ()) -> dict[str, list[str]]:
    """The leaks of all log files below a folder, by file name."""
    known = (WELL_KNOWN_CLIENT_SECRET, *also)
    return {
        path.name: found
        for path in folder.rglob("*.log*")
        if (found := leaks(path.read_text("utf-8", "replace"), known))
    }
