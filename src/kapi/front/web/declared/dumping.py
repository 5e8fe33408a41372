"""Dumps all state as documents, and restores it on an empty platform.

The documents are those of `kapi apply`, with the organization and the owner of each. Secrets are in
one more document, `Sealed`, if there is a passphrase, or else left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field, replace
from typing import Any, Final

from kapi import error_codes
from kapi.dataclass import dataclass
from kapi.errors import KapiError, Problem
from kapi.front.web.declared.applying import Applying, Asked, Outcome
from kapi.front.web.declared.objects import UNCHANGED, Item
from kapi.front.web.declared.sealed import opened, seal
from kapi.store.whole.backups import Backups

SEALED: Final = "Sealed"
_TABLES, _SECRETS = "tables", "secrets"


@dataclass(frozen=True, slots=True)
class Restoring:
    """A request to restore. With `more`, it continues another one."""

    items: tuple[Item, ...]
    sealed: str = field(default="", repr=False)
    passphrase: str = field(default="", repr=False)
    more: bool = False


class Dumps:
    """Makes and restores dumps."""

    def __init__(
        self,
        applying: Applying,
        backups: Backups,
        values: Callable[[], Mapping[str, str]],
        organization: str,
        random_bytes: Callable[[int], bytes],
    ) -> None:
        """`organization` is the owner of what names none; `values` are those of named secrets."""
        self._applying = applying
        self._backups = backups
        self._values = values
        self._organization = organization
        self._random_bytes = random_bytes

    def dump(self, passphrase: str) -> list[dict[str, Any]]:
        """All documents; with a passphrase also the sealed one."""
        found = []
        for kind in self._applying.kinds.values():
            owners = self._applying.owners(kind.name)
            for item in kind.stored():
                document: dict[str, Any] = {"kind": kind.name, **item.document}
                if item.organization not in {"", self._organization}:
                    document["organization"] = item.organization
                if item.id in owners:
                    document["owner"] = owners[item.id]
                if item.secret and not passphrase:
                    document[item.secret] = {
                        "env": _variable(kind.name, item.id, item.secret)
                    }
                found.append(document)
        if passphrase:
            content = {_TABLES: self._backups.read(), _SECRETS: self._values()}
            found.append(
                {
                    "kind": SEALED,
                    "content": seal(content, passphrase, self._random_bytes),
                }
            )
        return found

    def restore(self, asked: Restoring) -> Outcome:
        """Make everything. Raises Invalid or Problem, with nothing changed."""
        filled = self._backups.filled()
        if filled and not asked.more:
            what = ", ".join(name.replace("_", " ") for name in filled)
            detail = f"It has {what} already."
            hint = "Start kapi with another data directory, and restore there."
            raise Problem.of(
                error_codes.INVALID_REQUEST,
                "The platform is not empty",
                detail,
                hint,
                status=409,
            )
        content: Mapping[str, Any] = {}
        if asked.sealed:
            content = opened(asked.sealed, asked.passphrase)
        items = _with_secrets(
            asked.items, content.get(_SECRETS, {}), self._organization
        )
        if _TABLES in content:
            self._fill(content[_TABLES], items)
        else:
            self._check(items)
        return self._made(items)

    def _fill(self, tables: Any, items: Sequence[Item]) -> None:
        """Write the tables of a dump, unless the items have mistakes with them. Raises Invalid."""
        before = self._backups.replace(tables)
        try:
            self._check(items)
        except KapiError:
            self._backups.replace(before)
            raise

    def _check(self, items: Sequence[Item]) -> None:
        for asked, organization in self._requests(items):
            self._applying.plan(asked, organization)

    def _made(self, items: Sequence[Item]) -> Outcome:
        """Make the objects of each organization, until one fails."""
        made = Outcome()
        for asked, organization in self._requests(items):
            part = self._applying.apply(asked, organization)
            made.objects += part.objects
            made.events += [*self._filled_events(part.objects), *part.events]
            made.failure = made.failure or part.failure
            if made.failure is not None:
                break
        return made

    def _filled_events(
        self, objects: Iterable[Mapping[str, Any]]
    ) -> list[tuple[str, str]]:
        """The events of objects that came with the tables of the dump: they are unchanged now."""
        found = []
        for item in objects:
            if item["status"] == UNCHANGED:
                added, *_ = self._applying.kinds[item["kind"]].events
                found.append((added, item["name"]))
        return found

    def _requests(self, items: Iterable[Item]) -> list[tuple[Asked, str]]:
        """The items by organization."""
        by_organization: dict[str, list[Item]] = {}
        for item in items:
            by_organization.setdefault(
                item.organization or self._organization, []
            ).append(item)
        return [
            (Asked(tuple(own), "", prune=False), organization)
            for organization, own in by_organization.items()
        ]


def _variable(kind: str, object_id: str, member: str) -> str:
    """The name of the variable for a secret that is left out."""
    return re.sub(r"[^A-Z0-9]+", "_", f"{kind}_{object_id}_{member}".upper())


def _with_secrets(
    items: Iterable[Item], values: Mapping[str, str], organization: str
) -> tuple[Item, ...]:
    """The items, those of the kind Secret with their values."""
    found = []
    for item in items:
        owner = item.organization or organization
        key = f"{owner}/{item.members.get('name')}/{item.members.get('key')}"
        if item.kind == "Secret" and key in values:
            found.append(replace(item, members={**item.members, "value": values[key]}))
        else:
            found.append(item)
    return tuple(found)
