"""Compares the documents of an issuer at each of its addresses, as this process sees them.

Called by commands of tests, for example inside a container, and by test issuers.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

_SECONDS = 3.0
_LARGEST = 1024 * 1024


def disagreements(issuer: str, addresses: Sequence[str]) -> list[dict[str, Any]]:
    """The issuer and the key ids at each address, with `problem` if they differ.

    `issuer` must be the one that was asked for (OpenID Connect Discovery §4.3).
    """
    found = [_seen(issuer, address) for address in addresses]
    usual: list[str] = next((item["keys"] for item in found if not item["problem"]), [])
    for item in found:
        if not item["problem"] and item["keys"] != usual:
            item["problem"] = "its JWKS has other keys: another issuer answers there"
    return found


def _seen(issuer: str, address: str) -> dict[str, Any]:
    made: dict[str, Any] = {"address": address, "issuer": "", "keys": [], "problem": ""}
    try:
        document = _fetched(f"{address}/.well-known/openid-configuration")
        made["issuer"] = str(document.get("issuer", ""))
        keys = _fetched(str(document.get("jwks_uri", ""))).get("keys", [])
        made["keys"] = sorted(str(key.get("kid", "")) for key in keys)
    except (OSError, ValueError, AttributeError) as error:
        made["problem"] = f"it cannot be reached from here: {error}"
        return made
    if made["issuer"] != issuer:
        made["problem"] = (
            f"issuer is {made['issuer']!r}, not {issuer!r}: clients refuse it"
        )
    return made


def _fetched(url: str) -> Mapping[str, Any]:
    """A JSON document. Raises OSError, ValueError."""
    if urlsplit(url).scheme not in {"http", "https"}:
        raise ValueError(f"{url[:200]!r} is not a web address")
    # Only the contents are compared; whether the certificate is trusted depends on the client.
    context = ssl._create_unverified_context()  # noqa: S323, SLF001
    import urllib.request

    opened = urllib.request.urlopen(url, timeout=_SECONDS, context=context)  # noqa: S310
    with opened as answer:
        value = json.loads(answer.read(_LARGEST))
    if not isinstance(value, dict):
        raise ValueError(f"{url[:200]} is not a JSON object")  # noqa: TRY004
    return value
