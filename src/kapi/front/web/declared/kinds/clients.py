"""The kind Client: the members of `[[identity.clients]]`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from kapi import error_codes
from kapi.errors import Problem
from kapi.front.web.declared.objects import Batch, Item, Step, Stored
from kapi.front.web.system.clients import CLIENTS_SCOPE
from kapi.identity.clients.declared import (
    client_document,
    declared_client,
    declared_mistakes,
    same_secret,
    settings_document,
)
from kapi.identity.clients.metadata import Policy
from kapi.settings import ClientSettings
from kapi.settings.identity.client_checks import unknown_names
from kapi.store.registered_clients import RegisteredClient, RegisteredClients

IN_SETTINGS = "is in kapi.toml, and cannot be changed while kapi runs"
IN_SETTINGS_HINT = "Remove it from kapi.toml, or from this file."
SET, ANOTHER = "(set)", "(another)"
"""In the place of secrets in documents."""


class Clients:
    """OAuth clients of the inbuilt provider."""

    name = "Client"
    scope = CLIENTS_SCOPE
    events = ("client.add", "client.change", "client.remove")
    of_organization = False

    def __init__(
        self,
        configured: Sequence[ClientSettings],
        registered: RegisteredClients,
        policy: Policy,
        random_bytes: Callable[[int], bytes],
        now: Callable[[], float],
    ) -> None:
        """`configured` are the clients of the settings."""
        self._configured = {item.id for item in configured}
        self._registered = registered
        self._policy = policy
        self._random_bytes = random_bytes
        self._now = now

    def planned(self, items: Sequence[Item], batch: Batch) -> list[Step]:
        """The steps of these clients."""
        steps = []
        for item in items:
            settings = self._settings(item, batch)
            if settings is not None:
                steps.append(self._step(item, settings, batch))
        return steps

    def remove(self, object_id: str, organization: str) -> None:
        """Remove a client."""
        del organization  # clients belong to the installation
        if not self._registered.remove(object_id):
            raise Problem.of(
                error_codes.CLIENT_NOT_FOUND, f"there is no client {object_id!r}"
            )

    def stored(self) -> Iterable[Stored]:
        """The registered clients, oldest first."""
        for client in self._registered.all():
            secret = "secret" * bool(client.secret_digest)
            yield Stored(client.id, client_document(client), secret=secret)

    def _settings(self, item: Item, batch: Batch) -> ClientSettings | None:
        settings = batch.mistakes.checked(item, ClientSettings, item.members)
        wrong = batch.mistakes.wrong(item)
        for mistake in unknown_names([dict(item.members)], self._policy.facts):
            wrong(mistake.where.removeprefix("[0]"), mistake.what, mistake.hint)
        if settings is not None and settings.id in self._configured:
            batch.mistakes.add(
                item, "id", f"{settings.id} {IN_SETTINGS}", IN_SETTINGS_HINT
            )
        return settings

    def _step(self, item: Item, settings: ClientSettings, batch: Batch) -> Step:
        stored = self._registered.get(settings.id)
        for mistake in declared_mistakes(settings, stored, self._policy):
            batch.mistakes.add(item, mistake.where, mistake.what, mistake.hint)
        before, after = None, settings_document(settings)
        if stored is not None:
            before = {**client_document(stored), **_secret(bool(stored.secret_digest))}
            after |= _secret(bool(stored.secret_digest and not settings.secret))
            if settings.secret:
                after["secret"] = SET if same_secret(settings, stored) else ANOTHER
        elif settings.secret:
            after["secret"] = SET
        change = partial(self._keep, settings)
        read = partial(self._registered.get, settings.id)
        return Step(
            item,
            settings.id,
            settings.id,
            before,
            after,
            change,
            seen=stored,
            read=read,
        )

    def _keep(self, settings: ClientSettings) -> None:
        def declared(before: RegisteredClient | None) -> RegisteredClient:
            return declared_client(
                settings, before, self._random_bytes, int(self._now())
            )

        if self._registered.change(settings.id, declared) is None:
            self._registered.put(declared(None))


def _secret(present: bool) -> Mapping[str, Any]:  # noqa: FBT001 - the one question
    return {"secret": SET} if present else {}
