"""The state API: `POST /api/dump` and `POST /api/restore`, all state of the platform as documents.

Both are about all organizations: a caller whose token names one is refused.
"""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kapi import error_codes
from kapi.errors import Problem
from kapi.front.web.declared.applying import Applying, Outcome
from kapi.front.web.declared.dumping import Dumps, Restoring
from kapi.front.web.declared.endpoint import LARGEST_BODY, answer_of, items_of
from kapi.front.web.http.access import Access, json_answer
from kapi.front.web.http.bodies import json_in, read_large
from kapi.front.web.http.lanes import Lane
from kapi.front.web.http.shapes import DOCUMENT_HINT, Member, Shape, read_members
from kapi.front.web.operate.auditing import changes

BACKUP_SCOPE: Final = "kapi:backup"
_DUMP: Final = Shape(
    "dump", error_codes.INVALID_REQUEST, {"passphrase": Member(str, "")}
)
_RESTORE: Final = Shape(
    "restore",
    error_codes.INVALID_REQUEST,
    {
        "objects": Member(list, required=True),
        "sealed": Member(str, ""),
        "passphrase": Member(str, ""),
        "more": Member(bool, False),  # noqa: FBT003 - the default of a member
    },
)


class StateApi:
    """The endpoints that export and restore the state."""

    def __init__(
        self, access: Access, dumps: Dumps, applying: Applying, lane: Lane
    ) -> None:
        self._access = access
        self._dumps = dumps
        self._kinds = applying.kinds
        self._lane = lane

    def routes(self) -> list[Route]:
        """The routes of this API."""
        return [
            Route("/api/dump", self.dump, methods=["POST"]),
            Route("/api/restore", self.restore, methods=["POST"]),
        ]

    async def dump(self, request: Request) -> Response:
        """All state as objects; with `passphrase`, one of them has the secrets, sealed."""
        self._check(request)
        body = await read_members(request, _DUMP, DOCUMENT_HINT, optional=True)
        objects = await self._lane.run(request, self._dumps.dump, body["passphrase"])
        return json_answer({"objects": objects})

    async def restore(self, request: Request) -> Response:
        """Make all objects of a dump on an empty platform; with `more`, on one that has some."""
        self._check(request)
        file = await read_large(request, LARGEST_BODY)
        body = await self._lane.run(request, json_in, file, DOCUMENT_HINT)
        members = _RESTORE.read(body)
        asked = Restoring(
            items_of(members["objects"], self._kinds),
            members["sealed"],
            members["passphrase"],
            members["more"],
        )
        outcome: Outcome = await self._lane.run(request, self._dumps.restore, asked)
        changes(request, [*outcome.events, ("restore", "")])
        return answer_of(outcome)

    def _check(self, request: Request) -> None:
        principal = self._access.principal(request, BACKUP_SCOPE)
        if principal.organization:
            raise Problem.of(
                error_codes.OTHER_ORGANIZATION,
                detail=f"callers of {principal.organization} see a part of the state only",
                hint="Use a client without an organization.",
            )
