"""The page *Try it* of an API: fill in a call, send it, see what the gateway decided."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import quote, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from kapi.apis.collections.drafts import Draft, Drafts
from kapi.audit import Record
from kapi.dataclass import dataclass
from kapi.errors import Problem
from kapi.front.web.console.api_pages import Source, api_of
from kapi.front.web.console.calling import Refused, read_only
from kapi.front.web.console.console import PageRow, Visit, checked_form
from kapi.front.web.console.sessions import OPERATOR
from kapi.front.web.console.token_checks import checks_of
from kapi.front.web.console.trying.exchange import Exchange
from kapi.front.web.console.trying.form import (
    CLIENT,
    LIMITS,
    PASTED,
    Form,
    Shown,
    example,
    filled,
    given,
    pasted_token,
    text_of,
)
from kapi.front.web.console.trying.outgoing import Outgoing, outgoing
from kapi.front.web.console.trying.tokens import ClientTokens
from kapi.front.web.http.addresses import address_of
from kapi.front.web.http.lanes import Lane
from kapi.identity.clients.console_client import CONSOLE_CLIENT
from kapi.identity.issuers.verify import IssuerKeys
from kapi.store.audit import Event

_LOOKS: Final = 20
_LOOK_SECONDS: Final = 0.25
"""The access log is written each second."""


@dataclass(frozen=True, slots=True)
class Trying:
    """What the page works with."""

    source: Source
    drafts: Callable[[str, bytes, str], Drafts]
    tokens: ClientTokens
    send: Callable[[Outgoing], Exchange]
    sandbox: Callable[[str, str], str]
    """The host of the sandbox of an organization in an environment."""
    issuers: Callable[[], Iterable[IssuerKeys]]
    judge: Callable[[str, str, str], Mapping[str, Any] | None]
    """What each operation of an API does with a token: organization, id of the API, token."""
    record: Record
    forbidden: tuple[str, ...] = ()
    """Headers that callers may not set."""
    is_logged: bool = True
    """Whether there is an access log."""


class TryPages:
    """The pages that call an operation of an API."""

    def __init__(self, trying: Trying, lane: Lane) -> None:
        """`lane` limits the calls that are under way."""
        self._trying = trying
        self._lane = lane

    def rows(self) -> tuple[PageRow, ...]:
        """The routes of these pages."""
        return (
            ("GET", "/apis/{id}/try", self.form),
            ("POST", "/apis/{id}/try", self.send),
        )

    async def form(self, visit: Visit) -> Response:
        """The form of an operation, with example values. Raises Refused for a reader."""
        if visit.session.role != OPERATOR:
            raise read_only()
        api = await api_of(visit)
        found = await self._drafts(
            visit, api, visit.request.query_params.get("operation", "")
        )
        if found.draft is None:
            return self._page(visit, api, found, Shown())
        return self._page(visit, api, found, example(found.draft, self._clients(visit)))

    async def send(self, visit: Visit) -> Response:
        """Send the call, and show it with each decision. Raises Refused for a reader."""
        if visit.session.role != OPERATOR:
            raise read_only()
        form = await checked_form(visit, LIMITS)
        api = await api_of(visit)
        found = await self._drafts(visit, api, text_of(form, "operation"))
        if found.draft is None:
            return self._page(visit, api, found, Shown())
        shown = given(form, found.draft)
        try:
            return await self._sent(visit, api, (found, found.draft), form, shown)
        except Problem as problem:
            return self._page(visit, api, found, shown, problem=problem)

    async def _sent(
        self,
        visit: Visit,
        api: Mapping[str, Any],
        found: tuple[Drafts, Draft],
        form: Form,
        shown: Shown,
    ) -> Response:
        offered, draft = found
        address = self._address(api, offered, shown.address)
        # The mistakes of the form come before a token is issued.
        unsigned = outgoing(draft, filled(form, shown), address, self._trying.forbidden)
        token = await self._token(visit, form, shown)
        request = replace(unsigned, token=token)
        self._record(visit, api, draft, shown)
        exchange = await self._lane.run(visit.request, self._trying.send, request)
        decided = await self._decided(visit, exchange.request_id)
        checks, verdicts = await run_in_threadpool(self._explained, api, token)
        return self._page(
            visit,
            api,
            offered,
            shown,
            exchange=exchange,
            decided=decided,
            checks=checks,
            verdicts=verdicts,
        )

    async def _drafts(
        self, visit: Visit, api: Mapping[str, Any], chosen: str
    ) -> Drafts:
        source = await run_in_threadpool(self._trying.source, api["id"])
        conf, definition = source or ("", b"")
        made: Drafts = await self._lane.run(
            visit.request, self._trying.drafts, conf, definition, chosen
        )
        return made

    async def _token(self, visit: Visit, form: Form, shown: Shown) -> str:
        if shown.access == PASTED:
            return pasted_token(form)
        if shown.access != CLIENT:
            return ""
        return await run_in_threadpool(
            self._trying.tokens.token,
            visit.session,
            visit.request,
            (shown.client, text_of(form, "secret")),
            shown.scope,
        )

    def _clients(self, visit: Visit) -> tuple[str, ...]:
        return self._trying.tokens.known(visit.session)

    def _address(
        self, api: Mapping[str, Any], found: Drafts, chosen: str
    ) -> tuple[str, str]:
        """Host and base path."""
        parts = urlsplit(api["urls"][0])
        host = parts.hostname or ""
        if found.has_sandbox and chosen == "sandbox":
            host = self._trying.sandbox(api["organization"], api["environment"])
        return host, parts.path.rstrip("/")

    def _record(
        self, visit: Visit, api: Mapping[str, Any], draft: Draft, shown: Shown
    ) -> None:
        """An entry of the audit log: who called what, with the token of which client."""
        detail = draft.name
        if shown.access == CLIENT:
            detail += f" with a token of the client {shown.client}"
        self._trying.record(
            Event(
                "console.try",
                target=f"{api['name']} {api['version']} ({api['id']})",
                detail=detail,
                subject=visit.session.subject,
                client=CONSOLE_CLIENT,
                address=address_of(visit.request.headers.raw),
                organization=visit.session.organization,
            )
        )

    async def _decided(self, visit: Visit, request_id: str) -> Mapping[str, Any] | None:
        """The line of the access log with its explanation, when it is written; None without."""
        if not self._trying.is_logged or not request_id:
            return None
        for _ in range(_LOOKS):
            try:
                call = await visit.apis.get(f"/api/logs/{quote(request_id, safe='')}")
            except Refused as refused:
                if refused.status != 404:
                    return None
            else:
                return dict(call)
            await asyncio.sleep(_LOOK_SECONDS)
        return None

    def _explained(
        self, api: Mapping[str, Any], token: str
    ) -> tuple[list[Any], Mapping[str, Any] | None]:
        """What `kapi explain` says: the checks of the token, and what each operation does."""
        if not token:
            return [], None
        checks = checks_of(token, self._trying.issuers())
        return checks, self._trying.judge(api["organization"], api["id"], token)

    def _page(
        self,
        visit: Visit,
        api: Mapping[str, Any],
        found: Drafts,
        shown: Shown,
        **more: Any,
    ) -> Response:
        values: dict[str, Any] = {
            "problem": None,
            "exchange": None,
            "decided": None,
            "checks": (),
            "verdicts": None,
            **more,
        }
        problem = values["problem"]
        status = 200
        # htmx shows the part of a page whose status is a success only.
        if problem is not None and "hx-request" not in visit.request.headers:
            status = problem.status
        return visit.page(
            "try.html",
            status=status,
            api=api,
            found=found,
            shown=shown,
            clients=self._clients(visit),
            is_logged=self._trying.is_logged,
            **values,
        )
