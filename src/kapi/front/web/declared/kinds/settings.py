"""Kinds of kapi.toml: a file may repeat these settings, but only a restart or reload changes them.

So one file can be a seed of tests and be applied to a platform: what the platform has is unchanged,
and anything else is a mistake.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from kapi.front.web.declared.objects import Batch, Item, Step, Stored
from kapi.front.web.system.clients import CLIENTS_SCOPE
from kapi.settings import IdentitySettings
from kapi.settings.written.documents import document

_HINT: Final = "Change kapi.toml and start kapi again, or remove it from this file."


class SettingsKind:
    """Entries of a list of the section `identity`, or, without a key, its other members."""

    scope = CLIENTS_SCOPE
    events = ("", "", "")
    of_organization = False

    def __init__(
        self, name: str, identity: IdentitySettings, member: str = "", key: str = ""
    ) -> None:
        """`member` is the name of the list, `key` the member that tells its entries apart."""
        self.name = name
        self._identity = identity
        self._member = member
        self._key = key

    def planned(self, items: Sequence[Item], batch: Batch) -> list[Step]:
        """Steps that do nothing."""
        steps = []
        for item in items:
            name = str(item.members.get(self._key, self.name))[:80]
            current = self._current(item)
            if current is None:
                batch.mistakes.add(
                    item, self._key, f"{name} is not in kapi.toml", _HINT
                )
                continue
            for member, value in item.members.items():
                if member not in current:
                    batch.mistakes.add(item, member, "unknown setting")
                elif value != current[member]:
                    batch.mistakes.add(
                        item, member, "is another on this platform", _HINT
                    )
            steps.append(Step(item, name, name, {}, {}, _nothing))
        return steps

    def remove(self, object_id: str, organization: str) -> None:
        """Do nothing: they are not created here."""

    def stored(self) -> Iterable[Stored]:
        """None: what the settings have is not dumped."""
        return ()

    def _current(self, item: Item) -> Mapping[str, Any] | None:
        """The settings that a document is about, with all members."""
        if not self._member:
            return _members(self._identity)
        for entry in getattr(self._identity, self._member):
            if getattr(entry, self._key) == item.members.get(self._key):
                return _members(entry)
        return None


def _members(settings: Any) -> dict[str, Any]:
    return {
        name: document(getattr(settings, name))
        for name in settings.__dataclass_fields__
    }


def _nothing() -> None:
    pass
