"""The kind Application: the members of `[[subscriptions.applications]]`.

Its subscriptions may be in it, or be objects of their own (`subscriptions.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from kapi.errors import Problem
from kapi.front.web.declared.kinds.clients import IN_SETTINGS, IN_SETTINGS_HINT
from kapi.front.web.declared.objects import Batch, Document, Item, Step, Stored
from kapi.front.web.system.apis import DEPLOY_SCOPE
from kapi.gateway.applications import LONGEST_KEY, LONGEST_NAME, Applications
from kapi.settings.subscriptions import ApplicationSettings, ConsumerKeySettings
from kapi.settings.written.documents import document
from kapi.store.gateway.applications import Application, ConsumerKey
from kapi.typed import texts

_LIST_HINT: Final = "Write each subscription as an entry: - api: NAME."


class ApplicationKind:
    """Applications of an organization, with their keys."""

    name = "Application"
    scope = DEPLOY_SCOPE
    events = ("application.add", "application.change", "application.remove")
    of_organization = True

    def __init__(self, applications: Applications) -> None:
        self._applications = applications

    def planned(self, items: Sequence[Item], batch: Batch) -> list[Step]:
        """The steps of these applications."""
        known = self._applications.list(batch.organization)
        steps = []
        for item in items:
            members = dict(item.members)
            if not isinstance(members.pop("subscriptions", []), list):
                batch.mistakes.add(item, "subscriptions", "must be a list", _LIST_HINT)
            batch.applications.update(texts([members.get("id"), members.get("name")]))
            settings = batch.mistakes.checked(item, ApplicationSettings, members)
            if settings is None:
                continue
            before = find(known, settings.id, settings.name)
            self._check(item, settings, before, batch, known)
            steps.append(self._step(item, settings, before, batch.organization))
        return steps

    def remove(self, object_id: str, organization: str) -> None:
        """Remove an application with its keys and subscriptions."""
        self._applications.remove(organization, object_id)

    def stored(self) -> Iterable[Stored]:
        """The applications of all organizations, with their ids."""
        for item in self._applications.all():
            if item.source != "settings":
                wanted = ApplicationSettings(item.name, item.id)
                yield Stored(item.id, _stored_document(item, wanted), item.organization)

    def _check(
        self,
        item: Item,
        settings: ApplicationSettings,
        before: Application | None,
        batch: Batch,
        known: Sequence[Application],
    ) -> None:
        if before is not None and before.source == "settings":
            batch.mistakes.add(
                item, "name", f"{settings.name} {IN_SETTINGS}", IN_SETTINGS_HINT
            )
        if len(settings.name) > LONGEST_NAME or not settings.name.isprintable():
            batch.mistakes.add(
                item, "name", f"must have 1 to {LONGEST_NAME} printable characters"
            )
        own = before.id if before is not None else ""
        taken = {
            key.consumer_key for other in known if other.id != own for key in other.keys
        }
        for number, key in enumerate(settings.keys):
            where = f"keys[{number}].consumer_key"
            if key.consumer_key in taken:
                batch.mistakes.add(item, where, "belongs to another application")
            if (
                len(key.consumer_key) > LONGEST_KEY
                or not key.consumer_key.isprintable()
            ):
                message = f"must have 1 to {LONGEST_KEY} printable characters"
                batch.mistakes.add(item, where, message)
            taken.add(key.consumer_key)
        check_tier(self._applications, item, settings.tier, batch)

    def _step(
        self,
        item: Item,
        settings: ApplicationSettings,
        before: Application | None,
        organization: str,
    ) -> Step:
        there = None
        object_id = settings.id or settings.name
        if before is not None:
            there, object_id = _stored_document(before, settings), before.id
        after = _document(settings)
        change = partial(self._keep, organization, settings, before)
        read = partial(self._read, organization, settings)
        seen, name = without_subscriptions(before), settings.name
        return Step(item, object_id, name, there, after, change, seen=seen, read=read)

    def _read(
        self, organization: str, settings: ApplicationSettings
    ) -> Application | None:
        """The application as it is stored now."""
        known = self._applications.list(organization)
        return without_subscriptions(find(known, settings.id, settings.name))

    def _keep(
        self,
        organization: str,
        settings: ApplicationSettings,
        before: Application | None,
    ) -> str:
        made, own = before, self._applications
        if made is None:
            made = own.create(organization, settings.name, settings.tier, settings.id)
        elif made.tier != settings.tier:
            own.update(organization, made.id, tier=settings.tier)
        wanted = {
            ConsumerKey(key.consumer_key, key.type, key.environment)
            for key in settings.keys
        }
        for key in sorted(set(made.keys) - wanted, key=lambda key: key.consumer_key):
            own.remove_key(organization, made.id, key.consumer_key)
        for key in sorted(wanted - set(made.keys), key=lambda key: key.consumer_key):
            own.add_key(organization, made.id, key)
        return made.id


def find(known: Sequence[Application], own_id: str, name: str) -> Application | None:
    """The application with this id, or, without an id, the one with this name."""
    for item in known:
        if own_id == item.id or (not own_id and item.name == name):
            return item
    return None


def without_subscriptions(application: Application | None) -> Application | None:
    """An application without its subscriptions, which are objects of their own."""
    if application is None:
        return None
    return replace(application, subscriptions=())


def check_tier(applications: Applications, item: Item, tier: str, batch: Batch) -> None:
    """Add a mistake if the settings have no tier of this name."""
    try:
        applications.check_tier(tier)
    except Problem as error:
        batch.mistakes.add(item, "tier", error.title, error.hint)


def _document(settings: ApplicationSettings) -> Document:
    found = document(settings)
    found.pop("organization", None)
    if "keys" in found:
        found["keys"] = sorted(found["keys"], key=lambda key: str(key["consumer_key"]))
    return dict(found)


def _stored_document(stored: Application, wanted: ApplicationSettings) -> Document:
    """A stored application; its id is in it if the declaration names one."""
    keys = tuple(
        ConsumerKeySettings(key.consumer_key, key.key_type, key.environment)
        for key in stored.keys
    )
    own_id = stored.id if wanted.id else ""
    return _document(
        ApplicationSettings(stored.name, own_id, tier=stored.tier, keys=keys)
    )
