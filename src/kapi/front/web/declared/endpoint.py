"""The apply API: `POST /api/apply` makes the platform have the objects of a request.

The caller needs the scope of each kind that is declared or pruned. Objects belong to the caller's
organization, as far as their kind does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from difflib import get_close_matches
from typing import Any, Final

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kapi import error_codes
from kapi.apis.merge import Placement
from kapi.errors import Diagnostic, Invalid, Problem
from kapi.front.web.declared.applying import Applying, Asked, Outcome
from kapi.front.web.declared.objects import Item, Kind
from kapi.front.web.http.access import Access, json_answer
from kapi.front.web.http.bodies import json_in, read_large
from kapi.front.web.http.lanes import Lane
from kapi.front.web.http.problems import body_of, problem_of
from kapi.front.web.http.shapes import DOCUMENT_HINT, Member, Shape
from kapi.front.web.operate.auditing import changes
from kapi.settings.values import REFUSED, checked

LARGEST_BODY: Final = 32 * 1024 * 1024
MOST_OBJECTS: Final = 2000
_OWNER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def _owner_rule(value: str) -> str:
    if _OWNER.fullmatch(value):
        return ""
    return "must have 1 to 64 letters, digits, `.`, `_` and `-`"


_ASKED: Final = Shape(
    "apply",
    error_codes.INVALID_REQUEST,
    {
        "objects": Member(list, required=True),
        "owner": Member(str, "default", rule=_owner_rule),
        "prune": Member(bool, False),  # noqa: FBT003 - the default of a member
        "dryRun": Member(bool, False),  # noqa: FBT003
        "kept": Member(list, ()),
        "beside": Member(list, ()),
    },
)


class ApplyApi:
    """The endpoint that applies declared objects."""

    def __init__(self, access: Access, applying: Applying, lane: Lane) -> None:
        self._access = access
        self._applying = applying
        self._lane = lane

    def routes(self) -> list[Route]:
        """The route of this API."""
        return [Route("/api/apply", self.apply, methods=["POST"])]

    async def apply(self, request: Request) -> Response:
        """Make the declared objects; `dryRun` says what would be done, with the differences."""
        scopes = {kind.scope for kind in self._applying.kinds.values()}
        principal = self._access.principal(request, *sorted(scopes))
        organization = self._access.organization(principal)
        file = await read_large(request, LARGEST_BODY)
        body = await self._lane.run(request, json_in, file, DOCUMENT_HINT)
        members = _ASKED.read(body)
        items = items_of(members["objects"], self._applying.kinds)
        asked = Asked(
            tuple(replace(item, owner="") for item in items),
            members["owner"],
            members["prune"],
            principal.organization,
            _placements(members["beside"], organization),
            frozenset(map(_kept, members["kept"])),
        )
        for scope in await run_in_threadpool(self._scopes, asked, organization):
            self._access.principal(request, scope)
        work = self._applying.apply
        if members["dryRun"]:
            work = self._applying.plan
        outcome: Outcome = await self._lane.run(request, work, asked, organization)
        changes(request, outcome.events)
        return answer_of(outcome)

    def _scopes(self, asked: Asked, organization: str) -> list[str]:
        """The scopes of what is declared, and of what may be pruned."""
        kinds = {item.kind for item in asked.items}
        if asked.prune:
            kinds |= self._applying.owned_kinds(organization, asked.owner)
        return sorted({self._applying.kinds[kind].scope for kind in kinds})


def items_of(objects: list[Any], kinds: Mapping[str, Kind]) -> tuple[Item, ...]:
    """The objects. Raises Invalid for those of an unknown kind."""
    if len(objects) > MOST_OBJECTS:
        message = f"objects: at most {MOST_OBJECTS} are applied at a time"
        mistake = Diagnostic("apply", message, "Send several requests.", "#/objects")
        raise Invalid((mistake,), error_codes.INVALID_REQUEST)
    items, mistakes = [], []
    for number, item in enumerate(objects):
        kind = item.get("kind") if isinstance(item, dict) else None
        if not isinstance(kind, str) or kind not in kinds:
            message = f"the kind {str(kind)[:64]!r} is not known"
            if kind is None:
                message = "kind is missing"
            pointer, hint = f"#/objects/{number}/kind", _kind_hint(kind, kinds)
            mistakes.append(Diagnostic("apply", message, hint, pointer))
            continue
        members = {name: value for name, value in item.items() if name != "kind"}
        owner = str(members.pop("owner", ""))
        organization = ""
        if kinds[kind].of_organization:
            organization = str(members.pop("organization", ""))
        items.append(Item(kind, number, members, "", organization, owner))
    if mistakes:
        raise Invalid(tuple(mistakes), error_codes.INVALID_REQUEST)
    return tuple(items)


def _kind_hint(given: Any, kinds: Iterable[str]) -> str:
    """The kind that a name is most like, in small letters or capitals; else all kinds."""
    by_small = {kind.lower(): kind for kind in kinds}
    close = get_close_matches(str(given)[:64].lower(), by_small, 1)
    if close:
        return f"Did you mean {by_small[close[0]]}?"
    return f"Known: {', '.join(kinds)}."


def _placements(values: list[Any], organization: str) -> tuple[Placement, ...]:
    """Places of APIs, from the answers of other trials. Raises Invalid."""
    found = []
    for value in values:
        place = checked(Placement, value, "beside", lambda *_: None)
        if place is REFUSED or place.organization != organization:
            mistake = Diagnostic(
                "apply", "beside: is not from an answer", "", "#/beside"
            )
            raise Invalid((mistake,), error_codes.INVALID_REQUEST)
        found.append(place)
    return tuple(found)


def _kept(value: Any) -> tuple[str, str]:
    if not isinstance(value, dict):
        return "", ""
    return str(value.get("kind", "")), str(value.get("id", ""))


def answer_of(outcome: Outcome) -> Response:
    """All objects with their status; with the body of an error if one has failed."""
    if outcome.failure is None:
        return json_answer({"objects": outcome.objects})
    problem: Problem = problem_of(outcome.failure)
    body = {**body_of(problem), "objects": outcome.objects}
    return Response(orjson.dumps(body), problem.status, media_type="application/json")
