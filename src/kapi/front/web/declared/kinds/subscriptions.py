"""The kind Subscription: what an application may call, with the application's name or id."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from kapi.front.web.declared.kinds.applications import check_tier, find
from kapi.front.web.declared.objects import Batch, Item, Step, Stored
from kapi.front.web.system.apis import DEPLOY_SCOPE
from kapi.gateway.applications import Applications, pattern_fault
from kapi.settings.subscriptions import SubscriptionSettings
from kapi.settings.written.documents import document
from kapi.store.gateway.applications import Application, Subscription


class Subscriptions:
    """Subscriptions of the applications of an organization."""

    name = "Subscription"
    scope = DEPLOY_SCOPE
    events = ("subscription.add", "subscription.change", "subscription.remove")
    of_organization = True

    def __init__(self, applications: Applications) -> None:
        self._applications = applications

    def planned(self, items: Sequence[Item], batch: Batch) -> list[Step]:
        """The steps of these subscriptions."""
        known = self._applications.list(batch.organization)
        steps = []
        for item in items:
            members = dict(item.members)
            application = members.pop("application", None)
            if not isinstance(application, str) or not application:
                batch.mistakes.add(
                    item, "application", "is missing: the name or id of one"
                )
                continue
            settings = batch.mistakes.checked(item, SubscriptionSettings, members)
            if settings is None:
                continue
            owner = _owner(known, application)
            self._check(item, application, settings, owner, batch)
            steps.append(
                self._step(item, application, settings, owner, batch.organization)
            )
        return steps

    def remove(self, object_id: str, organization: str) -> None:
        """Remove a subscription."""
        self._applications.unsubscribe(organization, object_id)

    def stored(self) -> Iterable[Stored]:
        """The subscriptions of all organizations, with the ids of their applications."""
        for owner in self._applications.all():
            if owner.source == "settings":
                continue
            ordered = sorted(
                owner.subscriptions, key=lambda one: (one.api_name, one.api_version)
            )
            for item in ordered:
                written = _document(owner.id, _settings_of(item))
                yield Stored(item.id, written, owner.organization)

    def _check(
        self,
        item: Item,
        application: str,
        settings: SubscriptionSettings,
        owner: Application | None,
        batch: Batch,
    ) -> None:
        if owner is None and application not in batch.applications:
            message = f"there is no application {application[:80]}"
            batch.mistakes.add(
                item, "application", message, "Declare it, or: kapi app list."
            )
        if fault := pattern_fault(settings.version):
            batch.mistakes.add(item, "version", fault)
        if not settings.api.isprintable():
            batch.mistakes.add(item, "api", "must be the name of an API")
        check_tier(self._applications, item, settings.tier, batch)

    def _step(
        self,
        item: Item,
        application: str,
        settings: SubscriptionSettings,
        owner: Application | None,
        organization: str,
    ) -> Step:
        before = _existing(owner, settings)
        there = None
        object_id = f"{application}/{settings.api}/{settings.version}"
        if before is not None:
            there, object_id = _document(application, _settings_of(before)), before.id
        name = f"{application} to {settings.api} {settings.version}"
        change = partial(self._keep, organization, application, settings, before)
        after = _document(application, settings)
        read = partial(self._read, organization, application, settings)
        return Step(item, object_id, name, there, after, change, seen=before, read=read)

    def _read(
        self, organization: str, application: str, settings: SubscriptionSettings
    ) -> Subscription | None:
        """The subscription as it is stored now."""
        known = self._applications.list(organization)
        return _existing(_owner(known, application), settings)

    def _keep(
        self,
        organization: str,
        application: str,
        settings: SubscriptionSettings,
        before: Subscription | None,
    ) -> str:
        if before is not None:
            status, tier = settings.status, settings.tier
            return self._applications.change(organization, before.id, status, tier).id
        new = Subscription(
            "", settings.api, settings.version, settings.status, settings.tier
        )
        return self._applications.subscribe(organization, application, new).id


def inner_subscriptions(item: Item) -> list[Item]:
    """The subscriptions that an application contains, as objects of their own."""
    inner = item.members.get("subscriptions")
    if not isinstance(inner, list):
        return []
    application = item.members.get("id") or item.members.get("name")
    found = []
    for number, members in enumerate(inner):
        filled: dict[str, Any] = {"api": members}
        if isinstance(members, dict):
            filled = {**members, "application": application}
        found.append(
            dataclasses.replace(
                item,
                kind=Subscriptions.name,
                members=filled,
                within=f"subscriptions[{number}]",
            )
        )
    return found


def _owner(known: Sequence[Application], application: str) -> Application | None:
    """The application with this id, or else with this name."""
    return find(known, application, "") or find(known, "", application)


def _existing(
    owner: Application | None, settings: SubscriptionSettings
) -> Subscription | None:
    if owner is None:
        return None
    for item in owner.subscriptions:
        if (item.api_name, item.api_version) == (settings.api, settings.version):
            return item
    return None


def _settings_of(stored: Subscription) -> SubscriptionSettings:
    return SubscriptionSettings(
        stored.api_name, stored.api_version, stored.status, stored.tier
    )


def _document(application: str, settings: SubscriptionSettings) -> dict[str, Any]:
    return {"application": application, **document(settings)}
