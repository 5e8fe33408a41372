"""The kind User: the members of `[[identity.users]]`, and `disabled`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

from kapi import error_codes
from kapi.dataclass import dataclass
from kapi.errors import Invalid, Problem
from kapi.front.web.declared.kinds.clients import (
    ANOTHER,
    IN_SETTINGS,
    IN_SETTINGS_HINT,
    SET,
)
from kapi.front.web.declared.objects import Batch, Item, Step, Stored
from kapi.front.web.system.users import NO_PASSWORD, USERS_SCOPE, declared_user
from kapi.identity.accounts.passwords import password_digest, password_matches
from kapi.identity.accounts.users import Users as People
from kapi.identity.accounts.users import profile_of, stored_user, user_of
from kapi.settings import UserSettings
from kapi.settings.written.documents import differing
from kapi.store.accounts import Ending
from kapi.store.users import StoredUser, UserStore

_USUAL: Final = UserSettings("", "")


@dataclass(frozen=True, slots=True)
class _Wanted:
    settings: UserSettings
    disabled: bool
    new_password: bool
    """Whether the account gets the password of the settings."""


class Users:
    """Accounts of the inbuilt provider."""

    name = "User"
    scope = USERS_SCOPE
    events = ("user.add", "user.change", "user.remove")
    of_organization = False

    def __init__(
        self,
        people: People,
        stored: UserStore,
        issuer: str,
        new_subject: Callable[[], str],
        now: Callable[[], float],
        platform: str,
    ) -> None:
        """`issuer` issues the tokens of the users; `new_subject` returns an unused subject.

        `platform` is the organization of the platform, whose callers manage people of all.
        """
        self._configured = {user.username for user in people.of_settings}
        self._stored = stored
        self._issuer = issuer
        self._new_subject = new_subject
        self._now = now
        self._platform = platform

    def planned(self, items: Sequence[Item], batch: Batch) -> list[Step]:
        """The steps of these accounts. A password is compared in 30 ms."""
        steps = []
        for item in items:
            stored = self._stored.get(str(item.members.get("username", "")))
            wanted = self._wanted(item, stored, batch)
            if wanted is not None:
                steps.append(self._step(item, wanted, stored))
        return steps

    def remove(self, object_id: str, organization: str) -> None:
        """Remove an account, and end its sessions and tokens."""
        stored = self._stored.get(object_id)
        if (
            organization != self._platform
            and stored
            and not stored_user(stored).is_of(organization)
        ):
            return  # An operator of the platform has given the person to others since.
        if not self._stored.remove(object_id, self._ending("the account was removed")):
            raise Problem.of(
                error_codes.USER_NOT_FOUND, f"there is no user {object_id!r}"
            )

    def stored(self) -> Iterable[Stored]:
        """The accounts, by name."""
        for user in self._stored.all():
            yield Stored(user.username, _stored_document(user), secret="password")  # noqa: S106

    def _wanted(
        self, item: Item, stored: StoredUser | None, batch: Batch
    ) -> _Wanted | None:
        members = dict(item.members)
        disabled = members.pop("disabled", False)
        if not isinstance(disabled, bool):
            batch.mistakes.add(item, "disabled", "must be true or false")
            disabled = False
        given = "password" in members
        if stored is not None:
            members.setdefault("password", NO_PASSWORD)
        name = members.get("username")
        if isinstance(name, str) and name in self._configured:
            batch.mistakes.add(
                item, "username", f"{name} {IN_SETTINGS}", IN_SETTINGS_HINT
            )
        try:
            settings = declared_user(members)
        except Invalid as error:
            for mistake in error.diagnostics:
                pointer = f"#/objects/{item.number}{mistake.pointer.removeprefix('#')}"
                batch.mistakes.keep(replace(mistake, code=item.kind, pointer=pointer))
            return None
        self._refuse_foreign(item, settings, stored, batch)
        new = given and (
            stored is None or not password_matches(stored.digest, settings.password)
        )
        return _Wanted(settings, disabled, new)

    def _refuse_foreign(
        self,
        item: Item,
        settings: UserSettings,
        stored: StoredUser | None,
        batch: Batch,
    ) -> None:
        own = batch.caller
        if own == self._platform:
            own = ""
        known = user_of(settings).is_of(own)
        if stored is not None:
            known = known and stored_user(stored).is_of(own)
        if not known:
            message = f"callers of {own} may declare users of {own} only"
            hint = f"Write organizations: [{own}], and leave super_admin out."
            batch.mistakes.add(item, "organizations", message, hint)

    def _step(self, item: Item, wanted: _Wanted, stored: StoredUser | None) -> Step:
        name = wanted.settings.username
        before = None
        after = _document(wanted.settings, wanted.disabled)
        after["password"] = SET
        if stored is not None:
            before = {**_stored_document(stored), "password": SET}
            if wanted.new_password:
                after["password"] = ANOTHER
        change, read = partial(self._keep, wanted), partial(self._stored.get, name)
        return Step(item, name, name, before, after, change, seen=stored, read=read)

    def _keep(self, wanted: _Wanted) -> None:
        user = user_of(wanted.settings)
        name, profile = user.username, profile_of(user)
        before = self._stored.get(name)
        if before is None:
            digest = password_digest(wanted.settings.password)
            made = (
                name,
                digest,
                profile,
                int(self._now()),
                self._new_subject(),
                wanted.disabled,
            )
            self._stored.add(StoredUser(*made))
            return
        if before.profile != profile:
            self._stored.change(
                name,
                lambda stored: replace(stored, profile=profile),
                self._ending("the account changed"),
            )
        if wanted.new_password:
            digest = password_digest(wanted.settings.password)
            self._stored.change_password(
                name, digest, self._ending("the password changed")
            )
        if wanted.disabled and not before.disabled:
            self._stored.disable(name, self._ending("the account was disabled"))
        if before.disabled and not wanted.disabled:
            self._stored.enable(name)

    def _ending(self, reason: str) -> Ending:
        return Ending(self._issuer, int(self._now()), reason)


def _document(settings: UserSettings, disabled: bool) -> dict[str, Any]:  # noqa: FBT001 - a member
    found = differing(replace(settings, password=""), replace(_USUAL, username=""))
    return {**found, **({"disabled": True} if disabled else {})}


def _stored_document(stored: StoredUser) -> Mapping[str, Any]:
    profile = stored.profile
    settings = UserSettings(
        stored.username,
        "",
        tuple(profile["organizations"]),
        profile["super_admin"],
        tuple(profile["groups"]),
        profile["claims"],
        profile["token_claims"],
    )
    return _document(settings, stored.disabled)
