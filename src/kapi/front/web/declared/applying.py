"""Plans and makes what a request declares.

All mistakes of all objects are found before anything changes. Kinds are made in the order of their
dependencies, and pruned in the reverse order. The first object that fails ends the work; the
result says what was made before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, field
from typing import Any

from kapi import error_codes
from kapi.apis.merge import Placement
from kapi.dataclass import dataclass
from kapi.errors import Invalid, KapiError
from kapi.front.web.declared.kinds.applications import ApplicationKind
from kapi.front.web.declared.kinds.subscriptions import (
    Subscriptions,
    inner_subscriptions,
)
from kapi.front.web.declared.objects import (
    CREATED,
    FAILED,
    PRUNED,
    SKIPPED,
    UNCHANGED,
    Batch,
    Item,
    Kind,
    Mistakes,
    Step,
)
from kapi.store.engine.conditions import only_if
from kapi.store.gateway.declared import Declared, DeclaredObjects


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: what is declared, by whom, and what else stays."""

    items: tuple[Item, ...]
    owner: str
    prune: bool
    caller: str = ""
    """The organization of the caller's token; empty: a caller for all of them."""
    beside: tuple[Placement, ...] = ()
    """Where APIs of other requests will answer that are made before."""
    kept: frozenset[tuple[str, str]] = frozenset()
    """Kind and id of objects that are not in this request and are not pruned."""


@dataclass(slots=True)
class Outcome:
    """What became of a request. `failure` is the reason of the object that failed."""

    objects: list[dict[str, Any]] = field(default_factory=list)
    failure: KapiError | None = None
    events: list[tuple[str, str]] = field(default_factory=list)
    """Names of events and their targets, for the audit log."""


class Applying:
    """Applies requests of an organization."""

    def __init__(self, kinds: Sequence[Kind], declared: DeclaredObjects) -> None:
        """`kinds` in the order of their dependencies."""
        self.kinds: Mapping[str, Kind] = {kind.name: kind for kind in kinds}
        self._declared = declared

    def owners(self, kind: str) -> Mapping[str, str]:
        """The owners of objects of a kind, by id."""
        return self._declared.owners(kind)

    def owned_kinds(self, organization: str, owner: str) -> frozenset[str]:
        """The kinds of the objects that an owner created."""
        return frozenset(item.kind for item in self._declared.of(organization, owner))

    def plan(self, asked: Asked, organization: str) -> Outcome:
        """What would be done. Raises Invalid with all mistakes."""
        steps = self._steps(asked, organization)
        found = Outcome(list(map(_planned, steps)))
        there = {(step.item.kind, step.id) for step in steps}
        for item in self._surplus(asked, there, organization):
            found.objects.append(_pruned(item, PRUNED))
        return found

    def apply(self, asked: Asked, organization: str) -> Outcome:
        """Make everything as it is declared. Raises Invalid, with nothing changed."""
        steps = self._steps(asked, organization)
        made = Outcome()
        there = {self._make(step, asked.owner, organization, made) for step in steps}
        for item in self._surplus(asked, there, organization):
            self._prune(item, organization, made)
        return made

    def _steps(self, asked: Asked, organization: str) -> list[Step]:
        batch = Batch(organization, Mistakes(), asked.caller, asked.beside)
        items: dict[str, list[Item]] = {name: [] for name in self.kinds}
        for item in asked.items:
            if item.organization not in {"", organization}:
                message = f"the caller is of {organization}"
                batch.mistakes.add(item, "organization", message, "Leave it out.")
            items[item.kind].append(item)
            if item.kind == ApplicationKind.name:
                items[Subscriptions.name] += inner_subscriptions(item)
        steps = []
        for name, kind in self.kinds.items():
            steps += kind.planned(items[name], batch)
        _refuse_repeated(steps, batch.mistakes)
        if batch.mistakes.found:
            raise Invalid(tuple(batch.mistakes.found), error_codes.INVALID_REQUEST)
        return steps

    def _make(
        self, step: Step, owner: str, organization: str, made: Outcome
    ) -> tuple[str, str]:
        """Take a step, unless one before it failed. Kind and id of the object."""
        status, object_id = step.status, step.id
        if made.failure is not None:
            status = SKIPPED
        elif status != UNCHANGED:
            status, object_id = self._changed(step, made)
        if status == CREATED or step.item.owner:
            item = Declared(step.item.kind, object_id, step.name)
            self._own(item, organization, step.item.owner or owner)
        made.objects.append(_shown(step, status, object_id))
        return step.item.kind, object_id

    def _own(self, item: Declared, organization: str, owner: str) -> None:
        if owner:
            self._declared.add(item, organization, owner)

    def _changed(self, step: Step, made: Outcome) -> tuple[str, str]:
        """Change an object; what it comes to, and its id."""
        added, changed, _ = self.kinds[step.item.kind].events
        try:
            with only_if(step.refuse_another):
                object_id = step.change() or step.id
        except KapiError as error:
            made.failure = error
            return FAILED, step.id
        event = changed
        if step.before is None:
            event = added
        made.events.append((event, step.name))
        return step.status, object_id

    def _surplus(
        self, asked: Asked, there: set[tuple[str, str]], organization: str
    ) -> tuple[Declared, ...]:
        """What the owner created and declares no more, in the order of its removal."""
        if not asked.prune:
            return ()
        wanted = there | asked.kept
        owned = self._declared.of(organization, asked.owner)
        surplus = [item for item in owned if (item.kind, item.id) not in wanted]
        order = list(self.kinds)
        return tuple(sorted(surplus, key=lambda item: -order.index(item.kind)))

    def _prune(self, item: Declared, organization: str, made: Outcome) -> None:
        if made.failure is not None:
            made.objects.append(_pruned(item, SKIPPED))
            return
        kind = self.kinds[item.kind]
        try:
            kind.remove(item.id, organization)
        except KapiError as error:
            made.failure = error
            made.objects.append(_pruned(item, FAILED))
            return
        made.events.append((kind.events[2], item.name))
        made.objects.append(_pruned(item, PRUNED))


def _refuse_repeated(steps: Iterable[Step], mistakes: Mistakes) -> None:
    seen: dict[tuple[str, str], Step] = {}
    for step in steps:
        first = seen.setdefault((step.item.kind, step.id), step)
        if first is not step:
            mistakes.add(
                step.item, "", f"{step.name} is declared twice", "Declare it once."
            )


def _shown(step: Step, status: str, object_id: str) -> dict[str, Any]:
    return {
        "object": step.item.number,
        "kind": step.item.kind,
        "name": step.name,
        "id": object_id,
        "status": status,
    }


def _planned(step: Step) -> dict[str, Any]:
    shown = _shown(step, step.status, step.id)
    if step.placement is not None:
        shown["placement"] = asdict(step.placement)
    if step.status == UNCHANGED:
        return shown
    return {**shown, "before": step.before, "after": step.after}


def _pruned(item: Declared, status: str) -> dict[str, Any]:
    return {"kind": item.kind, "name": item.name, "id": item.id, "status": status}
