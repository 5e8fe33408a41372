"""The values of an apply: declared objects, mistakes in them, and what is to be done about each."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field
from typing import Any, Final, Protocol, TypeVar

from kapi import error_codes
from kapi.apis.merge import Placement
from kapi.apis.secrets import SecretId
from kapi.dataclass import dataclass
from kapi.errors import Diagnostic, Problem
from kapi.settings.values import REFUSED, checked

CREATED, CONFIGURED, UNCHANGED = "created", "configured", "unchanged"
FAILED, SKIPPED, PRUNED = "failed", "not applied", "pruned"
_MOST_MISTAKES: Final = 200
_ROOT: Final = "_"
"""What `checked` calls the object itself."""
_PART: Final = re.compile(r"[^.\[\]]+")
T = TypeVar("T")
Document = Mapping[str, Any]
"""An object as a file declares it, without secrets."""


@dataclass(frozen=True, slots=True)
class Item:
    """A declared object: its place among the objects of the request, and its members."""

    kind: str
    number: int
    members: Mapping[str, Any] = field(repr=False, compare=False)
    within: str = ""
    """Its place in the object of the request that contains it, such as `subscriptions[0]`."""
    organization: str = ""
    """Whose it is; empty: the caller's organization, or none if its kind belongs to none."""
    owner: str = ""
    """Who created it before it was dumped."""


class Mistakes:
    """All mistakes of a request, each with a pointer into it (`#/objects/3/grants/0`)."""

    def __init__(self) -> None:
        self.found: list[Diagnostic] = []

    def add(self, item: Item, where: str, message: str, hint: str = "") -> None:
        """Add a mistake. `where` is a dotted name, as of a setting: `grants[0]`."""
        text = message
        if where:
            text = f"{where}: {message}"
        parts = ("objects", str(item.number), *_PART.findall(f"{item.within}.{where}"))
        pointer = "/".join(part.replace("~", "~0") for part in parts)
        self.keep(Diagnostic(item.kind, text, hint, f"#/{pointer}"))

    def keep(self, mistake: Diagnostic) -> None:
        """Add a mistake that has its place."""
        if len(self.found) < _MOST_MISTAKES:
            self.found.append(mistake)

    def checked(self, item: Item, cls: type[T], members: Mapping[str, Any]) -> T | None:
        """The members of an object as settings; None if one is wrong, which is added."""
        made = checked(cls, dict(members), _ROOT, self.wrong(item))
        if made is REFUSED:
            return None
        settings: T = made
        return settings

    def wrong(self, item: Item) -> Callable[..., None]:
        """What reports a wrong value of a setting."""

        def add(where: str, message: str, hint: str = "") -> None:
            if "_file" in hint or " = " in hint:
                hint = ""  # it is about kapi.toml
            self.add(item, where.removeprefix(_ROOT).removeprefix("."), message, hint)

        return add


def _nothing() -> None:
    """What is read of an object that is written without looking at the one before."""


@dataclass(frozen=True, slots=True)
class Step:
    """What is done about a declared object. `id` is unique among those of its kind."""

    item: Item
    id: str
    name: str
    """For people."""
    before: Document | None
    """What there is; None for an object that there is not."""
    after: Document
    change: Callable[[], str | None] = field(repr=False)
    """Makes the object as it is declared. Raises KapiError. Returns its id if that was unknown."""
    placement: Placement | None = None
    """Where an API answers."""
    seen: Any = field(default=None, repr=False)
    """The stored object that `before` is made of."""
    read: Callable[[], Any] = field(default=_nothing, repr=False)
    """Reads the stored object: it is `seen`, unless another caller has changed it."""

    @property
    def status(self) -> str:
        """What the step comes to."""
        if self.before is None:
            return CREATED
        return UNCHANGED if self.before == self.after else CONFIGURED

    def refuse_another(self) -> None:
        """Raise Problem 412 if the object is not the one that this step was planned for."""
        if self.read() != self.seen:
            raise Problem.of(
                error_codes.OBJECT_CHANGED,
                detail=f"{self.item.kind} {self.name} was changed by another caller meanwhile.",
                hint="Apply again: it is compared with what there is now.",
            )


@dataclass(frozen=True, slots=True)
class Batch:
    """All that one request declares, for one organization."""

    organization: str
    mistakes: Mistakes
    caller: str = ""
    """The organization of the caller's token; empty: a caller for all of them."""
    beside: tuple[Placement, ...] = ()
    """Where APIs of other requests will answer that are made before."""
    secrets: dict[SecretId, str] = field(default_factory=dict, repr=False)
    """The secrets that it sets, before its other objects are made."""
    applications: set[str] = field(default_factory=set)
    """The names of the applications that it creates."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An object that there is, as a document without secrets."""

    id: str
    document: Document
    organization: str = ""
    secret: str = ""
    """The member that has its secret, if it has one."""


class Kind(Protocol):
    """One kind of object that can be declared."""

    name: str
    scope: str
    """The scope that its caller must have."""
    events: tuple[str, str, str]
    """Names in the audit log of what is added, changed and removed."""

    of_organization: bool
    """Whether its objects belong to an organization."""

    def planned(self, items: Sequence[Item], batch: Batch) -> list[Step]:
        """The steps of these objects. Mistakes go to the batch; what has some may have no step."""

    def remove(self, object_id: str, organization: str) -> None:
        """Remove an object. Raises KapiError."""

    def stored(self) -> Iterable[Stored]:
        """All objects, but those of the settings."""
