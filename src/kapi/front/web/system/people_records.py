"""What operators see and end of people at the inbuilt provider: sessions and consents, by one API.

`sessions.py` and `consents.py` say what is different.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kapi import error_codes
from kapi.dataclass import dataclass
from kapi.error_codes import ErrorCode
from kapi.errors import Problem
from kapi.front.web.http.access import Access, json_answer
from kapi.front.web.operate.auditing import about
from kapi.front.web.operate.logs import limit_of
from kapi.front.web.system.users import USERS_SCOPE
from kapi.identity.people.listing import Page, Sought

T = TypeVar("T")
_LONGEST: Final = 255


class Callers:
    """Which sessions and consents a caller may see and end: those of its organization.

    Callers of the organization of the platform see all.
    """

    def __init__(self, access: Access, platform: str) -> None:
        """`platform` is the organization of the platform."""
        self._access = access
        self._platform = platform

    def sought(self, request: Request) -> Sought:
        """What the parameters of a request name. Raises Problem."""
        own, query = self.organization(request), request.query_params
        wanted = query.get("organization", "")
        if own and wanted not in {"", own}:
            detail = "your token is of another organization"
            hint = "Leave the parameter out."
            raise Problem.of(error_codes.OTHER_ORGANIZATION, detail=detail, hint=hint)
        return Sought(
            user=query.get("user", "")[:_LONGEST],
            client=query.get("client", "")[:_LONGEST],
            organization=own or wanted,
            caller=own,
            after=query.get("after", "")[:_LONGEST],
            most=limit_of(request),
        )

    def organization(self, request: Request) -> str:
        """The only organization that the caller sees; empty for all. Raises Problem."""
        own = self._access.organization(self._access.principal(request, USERS_SCOPE))
        if own == self._platform:
            return ""
        return own


@dataclass(frozen=True, slots=True)
class RecordKind(Generic[T]):
    """What is different between the kinds of records. Times are seconds since the epoch."""

    name: str
    """The word for one; with `s`, that of the path and of the list in an answer."""
    unknown: ErrorCode
    is_of: Callable[[T, str], bool]
    """Whether it is of an organization; each is for an empty text."""
    audited: Callable[[T], tuple[str, str]]
    """Target and detail of the audit entry."""
    shown: Callable[[T], dict[str, Any]]
    """It as JSON."""


@dataclass(frozen=True, slots=True)
class PeopleRecords(Generic[T]):
    """The stored records of a kind. Times are seconds since the epoch."""

    page: Callable[[Sought, int], Page[T]]
    find: Callable[[str, int], T | None]
    """The record with an id, or None."""
    revoke: Callable[[T, int], None]


class PeopleRecordsApi(Generic[T]):
    """The endpoints of a kind."""

    def __init__(
        self,
        kind: RecordKind[T],
        callers: Callers,
        records: Callable[[], PeopleRecords[T]],
        now: Callable[[], float],
    ) -> None:
        """`records` returns those of the provider with its current keys and clients."""
        self._kind = kind
        self._callers = callers
        self._records = records
        self._now = now

    def routes(self) -> list[Route]:
        """The routes of this API."""
        all_of_them = f"/api/{self._kind.name}s"
        one = f"{all_of_them}/{{{self._kind.name}}}"
        return [
            Route(all_of_them, self.list, methods=["GET"]),
            Route(one, self.show, methods=["GET"]),
            Route(one, self.revoke, methods=["DELETE"]),
        ]

    async def list(self, request: Request) -> Response:
        """Records, and as `next` the place after them, which `after` takes; empty at the end."""
        sought = self._callers.sought(request)
        page = await run_in_threadpool(
            lambda: self._records().page(sought, int(self._now()))
        )
        items = list(map(self._kind.shown, page.items))
        return json_answer({f"{self._kind.name}s": items, "next": page.next})

    async def show(self, request: Request) -> Response:
        """Answer with one record."""
        return json_answer(self._kind.shown(await self._found(request)))

    async def revoke(self, request: Request) -> Response:
        """End a record, with the tokens that are of it."""
        item = await self._found(request)
        about(request, *self._kind.audited(item))
        await run_in_threadpool(self._revoke, item)
        return Response(status_code=204)

    def _revoke(self, item: T) -> None:
        self._records().revoke(item, int(self._now()))

    async def _found(self, request: Request) -> T:
        own, name = self._callers.organization(request), self._kind.name
        record_id = request.path_params[name]
        item = await run_in_threadpool(
            lambda: self._records().find(record_id, int(self._now()))
        )
        if item is None or not self._kind.is_of(item, own):
            raise Problem.of(
                self._kind.unknown,
                f"there is no {name} {record_id[:_LONGEST]!r}",
                hint=f"See them with: kapi {name} list.",
            )
        return item
