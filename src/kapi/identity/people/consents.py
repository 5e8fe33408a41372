"""The scopes that a person allowed a client, and their descriptions (OIDC Core §3.1.2.4)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from kapi.dataclass import dataclass
from kapi.identity.accounts.users import User, Users
from kapi.identity.clients.clients import Client
from kapi.identity.clients.registry import ClientRegistry
from kapi.identity.people.listing import Page, People, Sought, walk
from kapi.identity.protocol.scopes import DEFAULT_SCOPE
from kapi.store.families import Families
from kapi.store.records import Record, Records

KIND = "consent"
"""Kind of records."""
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
    record = records.get(KIND, _key(client, user), now)
    return record is not None and scopes <= set(record.payload["scopes"])


def keep_consent(
    records: Records, client: Client, user: str, scopes: frozenset[str], now: int
) -> None:
    """Add these scopes to those that the person has allowed the client."""
    record = records.get(KIND, _key(client, user), now)
    if record is not None:
        scopes = scopes.union(record.payload["scopes"])
    payload: dict[str, Any] = {
        "user": user,
        "client_id": client.id,
        "scopes": sorted(scopes),
    }
    records.put(KIND, Record(_key(client, user), "", payload, now + _SECONDS))


@dataclass(frozen=True, slots=True)
class Consent:
    """What a person allowed a client. Times are in seconds since the epoch."""

    id: str
    """A digest of client and person."""
    person: User
    client_id: str
    client_name: str
    scopes: tuple[str, ...]
    given_at: int
    """When it was given last."""
    expires_at: int


@dataclass(frozen=True, slots=True)
class Consents:
    """The stored consents, with the people, clients and tokens that they are about."""

    records: Records
    families: Families
    users: Users
    registry: ClientRegistry
    issuer: str
    """`iss` in the store."""


def list_consents(consents: Consents, sought: Sought, now: int) -> Page[Consent]:
    """The consents that are wanted; those of an organization are those of its members.

    A consent belongs to a person, not to an organization: a caller of one sees those of people who
    belong to no other.
    """
    people = People(consents.users)

    def wanted(record: Record) -> Consent | None:
        person = people.get(record.payload["user"])
        if person is None or sought.client not in {"", record.payload["client_id"]}:
            return None
        if sought.organization and sought.organization not in person.organizations:
            return None
        if not person.is_of(sought.caller):
            return None
        return _consent(consents, person, record)

    return walk(consents.records, consents.users, KIND, sought, now, wanted)


def consent_of(consents: Consents, consent_id: str, now: int) -> Consent | None:
    """The consent with this id, or None."""
    record = consents.records.get(KIND, consent_id, now)
    if record is None:
        return None
    person = consents.users.get(record.payload["user"])
    if person is None:
        return None
    return _consent(consents, person, record)


def revoke_consent(consents: Consents, consent_id: str, now: int) -> None:
    """End a consent and all that the person authorized the client to; it must ask again."""
    record = consents.records.get(KIND, consent_id, now)
    if record is not None:
        issuer = consents.issuer
        consents.families.revoke_consent(record, issuer, now, "the consent was revoked")


def _consent(consents: Consents, person: User, record: Record) -> Consent:
    client_id = str(record.payload["client_id"])
    client = consents.registry.known_client(client_id)
    return Consent(
        record.key,
        person,
        client_id,
        "" if client is None else client.settings.name,
        tuple(record.payload["scopes"]),
        record.expires_at - _SECONDS,
        record.expires_at,
    )


def in_words(descriptions: Mapping[str, str], scope: str) -> list[tuple[str, str]]:
    """Each scope and its description, which may be empty."""
    words = {**WORDS, **descriptions}
    return [(name, words.get(name, "")) for name in scope.split(" ")]


def _key(client: Client, user: str) -> str:
    return hashlib.sha256(f"{len(client.id)}:{client.id}{user}".encode()).hexdigest()
