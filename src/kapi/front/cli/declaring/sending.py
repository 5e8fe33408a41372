"""Sends what files declare to the apply API, and places its mistakes in the files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from kapi.dataclass import dataclass
from kapi.error_codes import INVALID_REQUEST, ErrorCode
from kapi.errors import Diagnostic, Invalid, Problem
from kapi.front.cli.client import DEPLOY_SCOPE, Client, problem_of_answer
from kapi.front.cli.declaring.entries import API, Entry
from kapi.front.cli.declaring.files import Reading
from kapi.front.cli.declaring.portions import portions
from kapi.front.cli.output import InvalidInput
from kapi.front.cli.server.base import Answer

PATH: Final = "/api/apply"
_SCOPES: Final = {
    "Client": "kapi:clients",
    "User": "kapi:users",
    "Issuer": "kapi:issuers",
    **dict.fromkeys(("Provider", "Resource", "AssertionIssuer"), "kapi:clients"),
}
_SECRET: Final = "Secret"  # noqa: S105 - a kind
_KINDS: Final = (
    *(
        "Provider",
        "Resource",
        "AssertionIssuer",
        _SECRET,
        "Issuer",
        "Client",
        "User",
        API,
    ),
    *("Application", "Subscription"),
)
"""The order in which objects are made."""
_AT_ONCE: Final = 20
"""APIs of one trial, and objects that one request makes."""
Numbered = tuple[int, Entry]


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for besides the objects."""

    owner: str
    prune: bool


class Sender:
    """Sends the entries of files."""

    def __init__(self, client: Client, reading: Reading, wish: Wish) -> None:
        """Raises InvalidInput for mistakes in the files."""
        refuse_mistakes(reading)
        self._client = client
        self._reading = reading
        self._wish = wish

    def plan(self) -> list[dict[str, Any]]:
        """What would be done about each object, in the order of the kinds, then what is pruned.

        Some APIs at a time: the gateway ends a request after a minute. Raises InvalidInput with the
        mistakes of all of them, or Problem.
        """
        others, secrets, apis = self._by_kind()
        planned: list[dict[str, Any]] = []
        refused: list[InvalidInput] = []
        for part in portions(apis, _AT_ONCE):
            more: dict[str, Any] = {"dryRun": True, "beside": _placements(planned)}
            if part.is_last:
                more |= {"prune": self._wish.prune, "kept": _identities(planned)}
            try:
                besides = others if part.is_first else secrets
                objects = self._sent([*besides, *part.items], more)[0]
            except InvalidInput as error:
                refused.append(error)
                objects = []
            planned += objects if part.is_first else _without_secrets(objects)
        if refused:
            mistakes = dict.fromkeys(
                item for one in refused for item in one.problem.diagnostics
            )
            raise _refused(tuple(mistakes), self._reading, refused[0].problem)
        return sorted(planned, key=_rank)

    def _by_kind(self) -> tuple[list[Numbered], list[Numbered], list[Numbered]]:
        """The entries with their numbers: all but APIs; secrets; APIs."""
        others: list[Numbered] = []
        secrets: list[Numbered] = []
        apis: list[Numbered] = []
        for number, entry in enumerate(self._reading.entries):
            own = apis if entry.kind == API else others
            own.append((number, entry))
            if entry.kind == _SECRET:
                secrets.append((number, entry))
        return others, secrets, apis

    def apply(self) -> tuple[list[dict[str, Any]], Problem | None]:
        """Make everything; the objects with their status, and the reason if one has failed."""
        planned = self.plan()
        order = list(
            dict.fromkeys(item["object"] for item in planned if "object" in item)
        )
        made: list[dict[str, Any]] = []
        for part in portions(order, _AT_ONCE):
            more: dict[str, Any] = {}
            if part.is_last:
                more = {"prune": self._wish.prune, "kept": _identities(made)}
            numbered = [
                (number, self._reading.entries[number]) for number in part.items
            ]
            objects, failure = self._sent(numbered, more)
            made += objects
            if failure is not None:
                return made, failure
        return made, None

    def _sent(
        self, numbered: Sequence[tuple[int, Entry]], more: dict[str, Any]
    ) -> tuple[list[dict[str, Any]], Problem | None]:
        """The answer about these entries, each with its number among all."""
        objects = [{"kind": entry.kind, **entry.members} for _, entry in numbered]
        body = json.dumps(
            {"objects": objects, "owner": self._wish.owner, **more}
        ).encode()
        headers = {"Content-Type": "application/json"}
        answer = self._client.answer("POST", PATH, body, headers, scopes=self._scopes())
        value = answer.members
        if answer.status >= 400 and "objects" not in value:
            raise refused_answer(answer, numbered, self._reading)
        for item in value["objects"]:
            if "object" in item:
                item["object"] = numbered[item["object"]][0]
        failure = problem_of_answer(answer) if answer.status >= 400 else None
        return value["objects"], failure

    def _scopes(self) -> tuple[str, ...]:
        kinds = {entry.kind for entry in self._reading.entries}
        scopes = {_SCOPES.get(kind, DEPLOY_SCOPE) for kind in kinds} or {DEPLOY_SCOPE}
        if self._wish.prune:
            scopes |= {DEPLOY_SCOPE, *_SCOPES.values()}
        return tuple(sorted(scopes))


def _placements(planned: Sequence[Mapping[str, Any]]) -> list[Any]:
    found = []
    for item in planned:
        if "placement" in item:
            found.append(item["placement"])
    return found


def _identities(objects: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{"kind": item["kind"], "id": item["id"]} for item in objects]


def _without_secrets(objects: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What a trial says of all but secrets, which are in each trial."""
    found = []
    for item in objects:
        if item["kind"] != _SECRET or "object" not in item:
            found.append(item)
    return found


def _rank(item: Mapping[str, Any]) -> int:
    """The place of an object in the order of the kinds; what is pruned comes last."""
    if "object" not in item:
        return len(_KINDS)
    return _KINDS.index(item["kind"])


def refuse_mistakes(reading: Reading) -> None:
    """Raise InvalidInput if files have mistakes."""
    if reading.mistakes:
        raise _refused(reading.mistakes, reading)


def refused_answer(
    answer: Answer, numbered: Sequence[tuple[int, Entry]], reading: Reading
) -> Exception:
    """The error of a request with these entries; its mistakes are placed in the files."""
    problem = problem_of_answer(answer)
    if isinstance(problem, Invalid):
        return _refused(_placed(problem.diagnostics, numbered), reading, problem)
    return problem


def _placed(
    mistakes: Sequence[Diagnostic], numbered: Sequence[tuple[int, Entry]]
) -> list[Diagnostic]:
    """The mistakes of an answer at their places in the files."""
    found = []
    for mistake in mistakes:
        place = mistake.source or mistake.pointer
        parts = place.split("/")
        if len(parts) < 3 or parts[1] != "objects" or not parts[2].isdecimal():
            found.append(mistake)
            continue
        number = int(parts[2])
        found.append(numbered[number][1].located(mistake, number))
    return found


def _refused(
    mistakes: Sequence[Diagnostic], reading: Reading, problem: Problem | None = None
) -> InvalidInput:
    """All mistakes, by file and line."""
    ordered = sorted(mistakes, key=lambda item: (item.source, item.line, item.column))
    error = Invalid(tuple(ordered), INVALID_REQUEST)
    if problem is not None:
        number, title = problem.code, problem.title
        error = Invalid(tuple(ordered), ErrorCode(number, problem.status, title))
        error.status = problem.status
    return InvalidInput(error, reading.texts)
