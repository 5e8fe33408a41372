"""The scopes that a person allowed a client, and their descriptions (OIDC Core §3.1.2.4)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from kapi.identity.clients.clients import Client
from kapi.identity.protocol.scopes import DEFAULT_SCOPE
from kapi.store.records import Record, Records

_KIND = "consent"
_SECONDS = 365 * 24 * 3600
WORDS: Mapping[str, str] = {
    "openid": "Know who you are",
    "profile": "See your name and profile",
    "email": "See your email address",
    "address": "See your postal address",
    "phone": "See your phone number",
    "groups": "See the groups you belong to",
    "offline_access": "Keep its access while you are away, until you take it back",
    DEFAULT_SCOPE: "Call APIs in your name",
    "apk:api_create": "Deploy and remove APIs",
    "apk:api_publish": "Publish APIs",
}


def consented(
    records: Records, client: Client, user: str, scopes: frozenset[str], now: int
) -> bool:
    """Whether the person allowed the client all of these scopes."""
    record = records.get(_KIND, _key(client, user), now)
    return record is not None and scopes <= set(record.payload["scopes"])


def keep_consent(
    records: Records, client: Client, user: str, scopes: frozenset[str], now: int
) -> None:
    """Store that the person allowed the client these scopes, besides those allowed before."""
    record = records.get(_KIND, _key(client, user), now)
    if record is not None:
        scopes = scopes.union(record.payload["scopes"])
    payload: dict[str, Any] = {
        "user": user,
        "client_id": client.id,
        "scopes": sorted(scopes),
    }
    records.put(_KIND, Record(_key(client, user), "", payload, now + _SECONDS))


def in_words(descriptions: Mapping[str, str], scope: str) -> list[tuple[str, str]]:
    """Each scope and its description, which may be empty."""
    words = {**WORDS, **descriptions}
    return [(name, words.get(name, "")) for name in scope.split(" ")]


def _key(client: Client, user: str) -> str:
    return hashlib.sha256(f"{len(client.id)}:{client.id}{user}".encode()).hexdigest()
