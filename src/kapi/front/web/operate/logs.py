"""The logs API, `/api/logs`: what happened to calls, of the caller's organization."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kapi import error_codes
from kapi.errors import Problem
from kapi.front.web.http.access import Access, json_answer
from kapi.gateway.calls.call_log import CallLog, Wanted
from kapi.gateway.calls.explaining import explanation, with_exact_reason

LOGS_SCOPE = "kapi:logs"
_LIST = "/api/logs"
_MOST = 1000


class LogsApi:
    """The endpoints of this API."""

    def __init__(self, access: Access, log: CallLog, organization: str) -> None:
        """`organization` is that of the platform: it also sees calls that no API answered."""
        self._access = access
        self._log = log
        self._platform = organization

    def routes(self) -> list[Route]:
        """The routes of this API."""
        return [
            Route(_LIST, self.list, methods=["GET"]),
            Route("/api/logs/{request}", self.show, methods=["GET"]),
        ]

    async def list(self, request: Request) -> Response:
        """Calls, the newest last, and as `next` the place after them, which `after` takes.

        Readings of this list are left out: a follower would wait for nothing else.
        """
        wanted = replace(self._wanted(request), but=_LIST)
        most, after = limit_of(request), request.query_params.get("after", "")
        if after:
            calls, place = await run_in_threadpool(self._log.after, after, wanted, most)
        else:
            calls, place = await run_in_threadpool(self._log.newest, wanted, most)
        return json_answer(
            {"calls": list(map(with_exact_reason, calls)), "next": place}
        )

    async def show(self, request: Request) -> Response:
        """One call by its request id (`x-request-id` of the answer), explained."""
        wanted = self._wanted(request)
        call = await run_in_threadpool(
            self._log.of, request.path_params["request"], wanted
        )
        if call is None:
            raise Problem.of(
                error_codes.CALL_NOT_FOUND,
                detail="no line of the access log has this request id",
                hint="The log is written each second and is bounded: gateway.access_log_bytes.",
            )
        shown: dict[str, Any] = with_exact_reason(call)
        return json_answer({**shown, "explanation": explanation(call)})

    def _wanted(self, request: Request) -> Wanted:
        principal = self._access.principal(request, LOGS_SCOPE)
        owner, query = self._access.organization(principal), request.query_params
        return Wanted(
            owner,
            with_system=owner == self._platform,
            api=query.get("api", ""),
            refused=query.get("refused") == "true",
        )


def limit_of(request: Request) -> int:
    """The parameter `limit` of a request. Raises Problem 400."""
    text = request.query_params.get("limit", "100")
    if not text.isascii() or not text.isdigit() or not 0 < int(text[:9]) <= _MOST:
        detail = f"limit is a number from 1 to {_MOST}"
        hint = "Leave it out for 100."
        raise Problem.of(error_codes.INVALID_SYSTEM_REQUEST, detail=detail, hint=hint)
    return int(text)
