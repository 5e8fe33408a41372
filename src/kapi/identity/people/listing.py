"""Lists sessions and consents in bounded pages: for operators, and for each person their own.

Called by the system APIs (`front/web/system`). A page is what one walk over the records finds: it
reads a limited number of them, so that a rare match costs several requests, not a long one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from typing import Final, Generic, TypeVar

from kapi.dataclass import dataclass
from kapi.identity.accounts.users import User, Users
from kapi.store.records import Record, Records

T = TypeVar("T")
_BATCH: Final = 500
_MOST_READ: Final = 5000
"""Records that one walk reads."""


@dataclass(frozen=True, slots=True)
class Sought:
    """Which are wanted. An empty text selects all."""

    user: str = ""
    """A user name, or the subject of an account."""
    client: str = ""
    """A client id."""
    organization: str = ""
    caller: str = ""
    """The only organization whose people the caller manages."""
    after: str = ""
    """`next` of the page before."""
    most: int = 100


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """What was found, and where the next page starts; empty at the end."""

    items: tuple[T, ...]
    next: str


@dataclass(slots=True)
class People:
    """Looks up people by subject, each once."""

    users: Users
    _known: dict[str, User | None] = field(default_factory=dict)

    def get(self, subject: str) -> User | None:
        """The person, or None: removed or disabled meanwhile."""
        if subject not in self._known:
            self._known[subject] = self.users.get(subject)
        return self._known[subject]


def walk(
    records: Records,
    users: Users,
    kind: str,
    sought: Sought,
    now: int,
    wanted: Callable[[Record], T | None],
) -> Page[T]:
    """A page of the records of a kind. `wanted` makes the item of a record, or None."""
    person = _subject(users, sought.user)
    found: list[T] = []
    after, read = sought.after, 0
    while read < _MOST_READ:
        batch = records.page(kind, now, person=person, after=after, most=_BATCH)
        for record in batch:
            after = record.key
            item = wanted(record)
            if item is not None:
                found.append(item)
            if len(found) == sought.most:
                return Page(tuple(found), after)
        if len(batch) < _BATCH:
            return Page(tuple(found), "")
        read += len(batch)
    return Page(tuple(found), after)


def _subject(users: Users, user: str) -> str:
    """The subject of an account, by its user name or subject."""
    account = users.account(user)
    if account is None:
        return user
    return account.subject
