"""Objects that a command reads, changes and writes back, and lists of theirs.

Of two commands that change one object at the same time, the later writes what the other left: the
write names what was read (`If-Match`), and the command starts again if that has changed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import typer

from kapi.dataclass import dataclass
from kapi.errors import Problem
from kapi.front.cli.client import problem_of_answer, succeeded

if TYPE_CHECKING:
    from kapi.front.cli.client import Client

_ATTEMPTS: Final = 20
_PAUSE_SECONDS: Final = 0.05
_CHANGED_MEANWHILE: Final = 412


@dataclass(frozen=True, slots=True)
class ListChange:
    """What options name about a list; empty options change nothing."""

    whole: Sequence[str] | None = None
    added: Sequence[str] | None = None
    removed: Sequence[str] | None = None

    @property
    def wanted(self) -> bool:
        """Whether there is anything to change."""
        return bool(self.whole or self.added or self.removed)

    def applied(self, before: Sequence[str]) -> list[str]:
        """The list afterwards, each item once."""
        start = before
        if self.whole:
            start = self.whole
        removed = set(self.removed or ())
        every = dict.fromkeys((*start, *(self.added or ())))
        return [item for item in every if item not in removed]


def many(name: str, help_text: str) -> typer.models.OptionInfo:
    """An option that may be repeated."""
    made: typer.models.OptionInfo = typer.Option(
        name, help=f"{help_text} May be repeated.", show_default=False
    )
    return made


def changed(
    client: Client,
    path: str,
    scope: str,
    patch: Callable[[Mapping[str, Any]], Mapping[str, Any]],
) -> dict[str, Any]:
    """Change an object by the patch that is made of what it is; the answer.

    If it changes meanwhile, it is read again. Raises Problem if the change is refused, or if the
    object changes each time.
    """
    for attempt in range(_ATTEMPTS):
        read = client.system("GET", path, scope=scope)
        body = json.dumps(patch(read.members)).encode()
        headers = {"Content-Type": "application/json"}
        if "etag" in read.headers:
            headers["If-Match"] = read.headers["etag"]
        answer = client.answer("PATCH", path, body, headers, scopes=(scope,))
        if answer.status != _CHANGED_MEANWHILE:
            return succeeded(answer).members
        time.sleep(attempt * _PAUSE_SECONDS)
    problem = problem_of_answer(answer)
    raise Problem(
        problem.status,
        problem.code,
        f"it was changed by others {_ATTEMPTS} times meanwhile",
        hint="Run the command again.",
    )
