"""Applications of an installation: those of the settings, and those that are set while it runs.

Called by `front/web/system/applications.py`. When a call returns, its change is in Envoy
(`changed`); if Envoy does not run, it is there as soon as Envoy runs.
"""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Callable

import re2

from kapi import error_codes
from kapi.errors import Problem
from kapi.settings import Settings
from kapi.settings.subscriptions import (
    APPLICATION_ID,
    KEY_TYPES,
    STATUSES,
    ApplicationSettings,
)
from kapi.store.gateway.applications import (
    Application,
    ApplicationStore,
    ConsumerKey,
    Subscription,
    Taken,
)

LONGEST_NAME = 120
LONGEST_KEY = 255
LONGEST_PATTERN = 128


def of_settings(settings: Settings) -> tuple[Application, ...]:
    """The applications that kapi.toml names; where it gives no id, the id is made of the name."""
    return tuple(
        _of_settings(item, settings.apis.organization)
        for item in settings.subscriptions.applications
    )


def _of_settings(item: ApplicationSettings, organization: str) -> Application:
    owner = item.organization or organization
    own = uuid.uuid5(
        uuid.NAMESPACE_URL, f"urn:kapi:application:{owner}:{item.id or item.name}"
    )
    keys = tuple(
        ConsumerKey(key.consumer_key, key.type, key.environment) for key in item.keys
    )
    subscriptions = tuple(
        Subscription(
            str(uuid.uuid5(own, f"{one.api}:{one.version}")),
            one.api,
            one.version,
            one.status,
            one.tier,
        )
        for one in item.subscriptions
    )
    return Application(
        item.id or str(own),
        owner,
        item.name,
        item.tier,
        0,
        keys,
        subscriptions,
        "settings",
    )


class Applications:
    """Lists and changes them, for one organization at a time."""

    def __init__(
        self,
        settings: Settings,
        store: ApplicationStore,
        now: Callable[[], float],
        changed: Callable[[], None] = lambda: None,
        new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
    ) -> None:
        self._fixed = of_settings(settings)
        self._tiers = frozenset(tier.name for tier in settings.subscriptions.tiers)
        self._store = store
        self._now = now
        self._changed = changed
        self._new_id = new_id

    def all(self) -> tuple[Application, ...]:
        """Every application of every organization.

        Those of the settings come first, so that no other has their ids or keys.
        """
        fixed = {
            (item.organization, key.consumer_key)
            for item in self._fixed
            for key in item.keys
        }
        ids = {item.id for item in self._fixed}
        stored = []
        for item in self._store.all():
            if item.id not in ids:
                stored.append(item)
        return (*self._fixed, *(_without(item, fixed) for item in stored))

    def list(self, organization: str) -> tuple[Application, ...]:
        """The applications of an organization."""
        found = []
        for item in self.all():
            if item.organization == organization:
                found.append(item)
        return tuple(found)

    def get(self, organization: str, name_or_id: str) -> Application:
        """An application by id or name.

        Raises Problem: 404, or 409 for a name that several have.
        """
        known = self.list(organization)
        by_name = []
        for item in known:
            if item.name == name_or_id:
                by_name.append(item)
        found = [item for item in known if item.id == name_or_id] or by_name
        if not found:
            hint = "See the applications: kapi app list."
            raise Problem.of(
                error_codes.NOT_FOUND, f"{name_or_id} not found", hint=hint
            )
        if len(found) > 1:
            message = f"{len(found)} applications are named {name_or_id}"
            raise Problem.of(
                error_codes.INVALID_REQUEST,
                message,
                hint="Give the id: kapi app list.",
                status=409,
            )
        return found[0]

    def create(
        self, organization: str, name: str, tier: str = "", own_id: str = ""
    ) -> Application:
        """Add an application. Without `own_id` its name must be unique in the organization.

        Raises Problem.
        """
        _check_name(name)
        if own_id and not APPLICATION_ID.fullmatch(own_id):
            raise _invalid(
                "id of an application", "Use 1 to 64 letters, digits, `.`, `_` and `-`."
            )
        self.check_tier(tier)
        made = Application(
            own_id or self._new_id(), organization, name, tier, int(self._now())
        )
        what = f"application {name} exists"
        if own_id:
            what = f"an application with the id {own_id} exists"
        if any(item.id == made.id for item in self._fixed):
            raise _taken(what)
        if not own_id and any(item.name == name for item in self.list(organization)):
            raise _taken(what)
        self._keep(lambda: self._store.create(made, shared_name=bool(own_id)), what)
        return made

    def update(
        self,
        organization: str,
        name_or_id: str,
        *,
        name: str | None = None,
        tier: str | None = None,
    ) -> Application:
        """Change name or tier of an application; what is None stays. Raises Problem."""
        found = self._own(organization, name_or_id)
        if name == found.name:
            name = None
        if name is not None:
            _check_name(name)
            if any(
                item.name == name
                for item in self._fixed
                if item.organization == organization
            ):
                raise _taken(f"application {name} exists")
        self.check_tier(tier or "")
        self._keep(
            lambda: self._store.update(found, name, tier), f"application {name} exists"
        )
        return self.get(organization, found.id)

    def remove(self, organization: str, name_or_id: str) -> None:
        """Remove an application with its keys and subscriptions."""
        found = self._own(organization, name_or_id)
        self._keep(lambda: self._store.remove(found.id))

    def add_key(
        self, organization: str, name_or_id: str, key: ConsumerKey
    ) -> Application:
        """Add a consumer key: tokens with it belong to the application."""
        found = self._own(organization, name_or_id)
        if (
            not 0 < len(key.consumer_key) <= LONGEST_KEY
            or not key.consumer_key.isprintable()
        ):
            raise _invalid(
                "consumerKey", f"Use 1 to {LONGEST_KEY} printable characters."
            )
        if key.key_type not in KEY_TYPES:
            raise _invalid("type of a key", f"One of: {', '.join(KEY_TYPES)}.")
        if len(key.environment) > LONGEST_NAME or not key.environment.isprintable():
            raise _invalid(
                "environment of a key",
                "Use the environment of the APIs, or leave it out for all.",
            )
        if key.consumer_key in self._consumer_keys(organization):
            raise _taken("the consumer key belongs to an application")
        self._keep(
            lambda: self._store.add_key(found, key),
            "the consumer key belongs to an application",
        )
        return self.get(organization, found.id)

    def remove_key(self, organization: str, name_or_id: str, consumer_key: str) -> None:
        """Remove a consumer key."""
        found = self._own(organization, name_or_id)
        if not any(key.consumer_key == consumer_key for key in found.keys):
            raise Problem.of(
                error_codes.NOT_FOUND,
                "the application has no such key",
                hint="See its keys: kapi app list -o json.",
            )
        self._keep(lambda: self._store.remove_key(found.id, consumer_key))

    def subscribe(
        self, organization: str, name_or_id: str, wanted: Subscription
    ) -> Subscription:
        """Let an application call APIs. Raises Problem."""
        found = self._own(organization, name_or_id)
        if (
            not 0 < len(wanted.api_name) <= LONGEST_NAME
            or not wanted.api_name.isprintable()
        ):
            raise _invalid("api.name", "The name that the API's conf has.")
        fault = pattern_fault(wanted.api_version)
        if fault:
            raise _invalid("api.version", fault)
        self._check_status(wanted.status)
        self.check_tier(wanted.tier)
        made = dataclasses.replace(
            wanted, id=self._new_id(), created_at=int(self._now())
        )
        self._keep(
            lambda: self._store.subscribe(found.id, made),
            f"{found.name} has a subscription to {wanted.api_name} {wanted.api_version}",
        )
        return made

    def change(
        self,
        organization: str,
        subscription_id: str,
        status: str | None,
        tier: str | None,
    ) -> Subscription:
        """Change status or tier of a subscription. Raises Problem."""
        found = self._own_subscription(organization, subscription_id)
        made = found
        if status is not None:
            made = dataclasses.replace(made, status=status)
        if tier is not None:
            made = dataclasses.replace(made, tier=tier)
        self._check_status(made.status)
        self.check_tier(made.tier)
        self._keep(lambda: self._store.change(found.id, status, tier))
        return made

    def unsubscribe(self, organization: str, subscription_id: str) -> None:
        """Remove a subscription."""
        found = self._own_subscription(organization, subscription_id)
        self._keep(lambda: self._store.unsubscribe(found.id))

    def _consumer_keys(self, organization: str) -> set[str]:
        return {
            key.consumer_key for item in self.list(organization) for key in item.keys
        }

    def _own(self, organization: str, name_or_id: str) -> Application:
        found = self.get(organization, name_or_id)
        if found.source == "settings":
            raise Problem.of(
                error_codes.INVALID_REQUEST,
                f"{found.name} is an application of the settings",
                hint="Change it in kapi.toml, and start kapi again.",
                status=409,
            )
        return found

    def subscription(self, organization: str, subscription_id: str) -> Subscription:
        """A subscription. Raises Problem 404."""
        for application in self.list(organization):
            for item in application.subscriptions:
                if item.id == subscription_id:
                    return item
        raise Problem.of(
            error_codes.NOT_FOUND,
            f"{subscription_id} not found",
            hint="See the subscriptions: kapi subscription list.",
        )

    def _own_subscription(
        self, organization: str, subscription_id: str
    ) -> Subscription:
        """A subscription that may be changed. Raises Problem for one of the settings."""
        found = self.subscription(organization, subscription_id)
        for application in self.list(organization):
            if found in application.subscriptions:
                self._own(organization, application.id)
        return found

    def check_tier(self, tier: str) -> None:
        """Raise Problem for a tier that is not in the settings."""
        if tier and tier not in self._tiers:
            known = (
                ", ".join(sorted(self._tiers))
                or "none; add [[subscriptions.tiers]] to kapi.toml"
            )
            raise _invalid(f"tier {tier[:40]}", f"Known tiers: {known}.")

    def _check_status(self, status: str) -> None:
        if status not in STATUSES:
            raise _invalid(
                "status of a subscription", f"One of: {', '.join(STATUSES)}."
            )

    def _keep(self, write: Callable[[], None], taken: str = "") -> None:
        try:
            write()
        except Taken:
            raise _taken(taken) from None
        self._changed()


def pattern_fault(pattern: str) -> str:
    """Why a text cannot be a version pattern; empty when it can."""
    if not 0 < len(pattern) <= LONGEST_PATTERN or not pattern.isprintable():
        return f"Use 1 to {LONGEST_PATTERN} printable characters."
    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(pattern, options)
    except re2.error as error:
        text = ""
        if error.args:
            text = error.args[0]
        if isinstance(text, bytes):
            text = text.decode()
        return f"Write a version, or a pattern (RE2) such as 1\\..*: {text}"
    return ""


def _without(item: Application, taken: set[tuple[str, str]]) -> Application:
    keys = tuple(
        key for key in item.keys if (item.organization, key.consumer_key) not in taken
    )
    if len(keys) == len(item.keys):
        return item
    return dataclasses.replace(item, keys=keys)


def _check_name(name: str) -> None:
    if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
        raise _invalid(
            "name of an application", f"Use 1 to {LONGEST_NAME} printable characters."
        )


def _invalid(what: str, hint: str) -> Problem:
    return Problem.of(error_codes.INVALID_REQUEST, f"Invalid {what}", hint=hint)


def _taken(what: str) -> Problem:
    return Problem.of(
        error_codes.INVALID_REQUEST,
        what,
        hint="Choose another, or remove the other first.",
        status=409,
    )
