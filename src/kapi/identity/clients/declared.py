"""Clients that an operator declares or changes while the platform runs: every setting of a client.

They are kept with the clients that were registered. Called by the system APIs that apply files and
change clients.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from kapi.identity.clients.metadata import Policy, application_mistakes, more_mistakes
from kapi.identity.clients.registration import is_secret, with_credentials
from kapi.settings import ClientSettings
from kapi.settings.checks import Mistake
from kapi.settings.identity.client_checks import client_mistakes, secret_mistakes
from kapi.settings.values import built
from kapi.settings.written.documents import differing
from kapi.store.registered_clients import RegisteredClient

_KEPT = "*" * 32
"""In the place of a secret that is not changed; only its length is checked."""


def declared_mistakes(
    settings: ClientSettings, before: RegisteredClient | None, policy: Policy
) -> Iterator[Mistake]:
    """What is wrong with a declared client. It may leave out the secret that it has already."""
    kept = settings
    has_secret = before is not None and before.secret_digest
    if (
        not settings.secret
        and has_secret
        and policy.facts.has_secret(_method(settings))
    ):
        kept = dataclasses.replace(settings, secret=_KEPT)
    yield from secret_mistakes(kept, policy.facts)
    method = _method(settings) or "client_secret_basic"
    stored = dataclasses.replace(settings, token_endpoint_auth_method=method)
    for text in (
        *client_mistakes(settings, policy.facts),
        *more_mistakes(stored, policy),
    ):
        yield Mistake(text)


def changed_client(
    settings: ClientSettings,
    before: RegisteredClient,
    policy: Policy,
    random_bytes: Callable[[int], bytes],
) -> tuple[RegisteredClient, str]:
    """The client to store with changed settings, and its new secret; empty if it keeps its own.

    Raises Mistaken with all mistakes.
    """
    needed = policy.facts.has_secret(_method(settings))
    judged = settings
    if needed:
        judged = dataclasses.replace(settings, secret=_KEPT)
    about = before.metadata["about"]
    mistakes = [
        *declared_mistakes(judged, before, policy),
        *map(Mistake, application_mistakes(about.get("application_type"), settings)),
    ]
    if mistakes:
        raise Mistaken(mistakes)
    client, secret = with_credentials(before, random_bytes, needed=needed)
    metadata = {"settings": _stored(settings), "about": about}
    return dataclasses.replace(client, metadata=metadata), secret


class Mistaken(Exception):
    """A change of a client that cannot be made."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        super().__init__("; ".join(item.what for item in mistakes))
        self.mistakes = tuple(mistakes)


def declared_client(
    settings: ClientSettings,
    before: RegisteredClient | None,
    random_bytes: Callable[[int], bytes],
    now: int,
) -> RegisteredClient:
    """The client to store. It keeps its secret if the declaration has none, or the same one."""
    metadata = {"settings": _stored(settings), "about": {}}
    salt, digest, token_key, created = b"", b"", "", now
    if before is not None:
        metadata["about"] = dict(before.metadata["about"])
        salt, digest = before.salt, before.secret_digest
        token_key, created = before.token_key, before.created_at
    if settings.secret and not _has_secret(before, settings.secret):
        salt = random_bytes(16)
        digest = hashlib.sha256(salt + settings.secret.encode("utf-8")).digest()
    return RegisteredClient(settings.id, metadata, salt, digest, token_key, created)


def same_secret(settings: ClientSettings, before: RegisteredClient) -> bool:
    """Whether the client keeps the secret that it has."""
    return not settings.secret or _has_secret(before, settings.secret)


def client_document(client: RegisteredClient) -> dict[str, Any]:
    """A stored client as it would be declared: what differs from the defaults, without a secret."""
    stored = {**client.metadata["settings"], "id": client.id, "secret": ""}
    return settings_document(built(ClientSettings, stored))


def settings_document(settings: ClientSettings) -> dict[str, Any]:
    """The members of a client that differ from the defaults, without the secret."""
    found = differing(dataclasses.replace(settings, secret=""), ClientSettings(""))
    return {"id": settings.id, **found}


def _has_secret(client: RegisteredClient | None, secret: str) -> bool:
    return client is not None and is_secret(client, secret)


def _method(settings: ClientSettings) -> str:
    return settings.token_endpoint_auth_method


def _stored(settings: ClientSettings) -> Mapping[str, Any]:
    stored = dataclasses.asdict(settings)
    del stored["id"], stored["secret"]
    return stored
