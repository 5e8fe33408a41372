"""The audit API, `/api/audit`: who did what, of the caller's organization."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kapi.front.web.http.access import Access, json_answer
from kapi.front.web.operate.logs import limit_of
from kapi.store.audit import AuditStore, Sought

AUDIT_SCOPE = "kapi:audit"


class AuditApi:
    """The endpoint of this API."""

    def __init__(self, access: Access, store: AuditStore, organization: str) -> None:
        """`organization` is that of the platform: it sees all entries."""
        self._access = access
        self._store = store
        self._platform = organization

    def routes(self) -> list[Route]:
        """The route of this API."""
        return [Route("/api/audit", self.list, methods=["GET"])]

    async def list(self, request: Request) -> Response:
        """Entries, the newest last, and as `next` the number of the last, which `after` takes."""
        principal = self._access.principal(request, AUDIT_SCOPE)
        owner, query = self._access.organization(principal), request.query_params
        sought = Sought(
            "" if owner == self._platform else owner,
            event=query.get("event", ""),
            failed=query.get("failed") == "true",
            by=query.get("by", ""),
        )
        most, after = limit_of(request), query.get("after", "")
        if after.isascii() and after.isdigit() and len(after) < 19:
            found = await run_in_threadpool(self._store.after, int(after), sought, most)
        else:
            found = await run_in_threadpool(self._store.newest, sought, most)
        last = str(found[-1]["id"]) if found else after or "0"
        return json_answer({"events": found, "next": last})
