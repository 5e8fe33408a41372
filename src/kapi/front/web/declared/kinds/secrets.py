"""The kind Secret: a value of a named secret, as `[[secrets.values]]`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Final

from kapi.errors import Invalid, Problem
from kapi.front.web.declared.kinds.clients import ANOTHER, SET
from kapi.front.web.declared.objects import Batch, Item, Step, Stored
from kapi.front.web.system.apis import DEPLOY_SCOPE
from kapi.front.web.system.secrets import SECRET_NAME, value_fault
from kapi.gateway.secrets import NamedSecrets

_MEMBERS: Final = ("name", "key", "value")
_NAME_HINT: Final = "Use letters, digits, `.`, `_` and `-`, at most 253."


class Secrets:
    """Named secrets and certificates of an organization."""

    name = "Secret"
    scope = DEPLOY_SCOPE
    events = ("secret.set", "secret.set", "secret.remove")
    of_organization = True

    def __init__(self, secrets: NamedSecrets) -> None:
        self._secrets = secrets

    def planned(self, items: Sequence[Item], batch: Batch) -> list[Step]:
        """The steps. The values are noted in the batch, for the APIs that name them."""
        steps = []
        for item in items:
            if self._is_right(item, batch):
                steps.append(self._step(item, batch))
        return steps

    def remove(self, object_id: str, organization: str) -> None:
        """Remove a secret that no API uses."""
        _, name, key = object_id.split("/")
        self._secrets.remove(organization, name, key)

    def stored(self) -> Iterable[Stored]:
        """The names and keys of all organizations."""
        for item in self._secrets.stored():
            object_id = f"{item.organization}/{item.name}/{item.key}"
            names = {"name": item.name, "key": item.key}
            yield Stored(object_id, names, item.organization, "value")

    def _is_right(self, item: Item, batch: Batch) -> bool:
        before = len(batch.mistakes.found)
        for name in item.members:
            if name not in _MEMBERS:
                batch.mistakes.add(
                    item, name, "unknown member", f"Known: {', '.join(_MEMBERS)}."
                )
        for name in ("name", "key"):
            text = item.members.get(name)
            if not isinstance(text, str) or not SECRET_NAME.fullmatch(text):
                batch.mistakes.add(item, name, "is missing or not a name", _NAME_HINT)
        value = item.members.get("value")
        if not isinstance(value, str):
            batch.mistakes.add(
                item, "value", "is missing", "Write {env: NAME} or {file: PATH}."
            )
        elif fault := value_fault(value):
            batch.mistakes.add(item, "value", fault)
        return len(batch.mistakes.found) == before

    def _step(self, item: Item, batch: Batch) -> Step:
        organization, members = batch.organization, item.members
        name, key, value = (str(members[part]) for part in _MEMBERS)
        try:
            self._secrets.check(organization, name, key, value)
        except Invalid as error:
            for mistake in error.diagnostics:
                message = f"{mistake.source}: {mistake.message}"
                batch.mistakes.add(item, "value", message, mistake.hint)
        except Problem as error:
            batch.mistakes.add(item, "name", error.title, error.hint)
        batch.secrets[organization, name, key] = value
        before, after = None, {"name": name, "key": key, "value": SET}
        current = self._secrets.value(organization, name, key)
        if current is not None:
            before = dict(after)
        if current not in {None, value}:
            after["value"] = ANOTHER
        change = partial(self._secrets.set, organization, name, key, value)
        object_id = f"{organization}/{name}/{key}"
        read, shown = (
            partial(self._secrets.value, organization, name, key),
            f"{name} {key}",
        )
        return Step(
            item, object_id, shown, before, after, change, seen=current, read=read
        )
