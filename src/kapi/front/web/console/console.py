"""The endpoints of the console, below `/console` on its host."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from kapi import error_codes
from kapi.dataclass import dataclass
from kapi.errors import KapiError, Problem
from kapi.front.web.console.calling import Refused, SystemApis
from kapi.front.web.console.pages import STATIC_PATH, page, static_file
from kapi.front.web.console.sessions import Session, Sessions, is_own_form
from kapi.front.web.console.sign_in import SIGN_IN_PATH, SignIn
from kapi.front.web.http.draining import App
from kapi.front.web.http.multipart import Part, read_form
from kapi.front.web.http.problems import body_of, problem_of
from kapi.identity.clients.console_client import CALLBACK_PATH

_TOKEN_BYTES: Final = 256


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of a person who is signed in."""

    request: Request
    session: Session
    apis: SystemApis
    provider: str
    """The origin of the inbuilt provider."""

    def page(self, template: str, *, status: int = 200, **values: Any) -> Response:
        """A page for this person."""
        path = self.request.url.path
        return page(
            template,
            provider=self.provider,
            status=status,
            session=self.session,
            path=path,
            **values,
        )


Shown = Callable[[Visit], Awaitable[Response]]
"""Makes a page for a visit. Raises Refused or KapiError."""
PageRow = tuple[str, str, Shown]
"""Method, path below `/console`, endpoint."""


class Console:
    """All endpoints: the pages, sign-in and sign-out."""

    def __init__(
        self,
        sessions: Sessions,
        sign_in: SignIn,
        apis: Callable[[], App],
        provider: Callable[[Request], str],
        rows: Sequence[PageRow],
    ) -> None:
        """`apis` is the application of the system APIs, `provider` the provider's origin."""
        self._sessions = sessions
        self._sign_in = sign_in
        self._apis = apis
        self._provider = provider
        self._rows = rows

    def routes(self) -> list[Route]:
        """The routes, all below `/console`."""
        rows = [*self._rows, ("POST", "/sign-out", self._sign_out)]
        return [
            Route(SIGN_IN_PATH, self._unsigned(self._sign_in.start), methods=["GET"]),
            Route(
                CALLBACK_PATH, self._unsigned(self._sign_in.callback), methods=["GET"]
            ),
            Route(f"{STATIC_PATH}/{{name}}", static_file, methods=["GET"]),
            *(
                Route(f"/console{path}", self._signed(shown), methods=[method])
                for method, path, shown in rows
            ),
        ]

    def _unsigned(self, endpoint: Callable[[Request], Awaitable[Response]]) -> Any:
        async def answered(request: Request) -> Response:
            try:
                return await endpoint(request)
            except KapiError as error:
                problem = problem_of(error)
                return self._outside(request, problem)

        return answered

    def _outside(self, request: Request, problem: Problem) -> Response:
        """The page of an error before there is a session."""
        provider = self._provider(request)
        return page(
            "outside.html",
            provider=provider,
            status=problem.status,
            title=problem.title,
            detail=problem.detail,
            hint=problem.hint,
        )

    def _signed(self, shown: Shown) -> Any:
        async def answered(request: Request) -> Response:
            session = await run_in_threadpool(self._sessions.of, request)
            if session is None:
                return _to_sign_in(request)
            provider = self._provider(request)
            visit = Visit(
                request, session, SystemApis(self._apis, session, request), provider
            )
            try:
                return await shown(visit)
            except Refused as refused:
                return visit.page(
                    "problem.html", status=refused.status, problem=refused.problem
                )
            except KapiError as error:
                problem = problem_of(error)
                return visit.page(
                    "problem.html", status=problem.status, problem=body_of(problem)
                )

        return answered

    async def _sign_out(self, visit: Visit) -> Response:
        await checked_form(visit, {})
        removed = await run_in_threadpool(self._sessions.end, visit.session)
        return self._sign_in.left(visit.request, removed)


async def checked_form(visit: Visit, limits: dict[str, int]) -> dict[str, Part]:
    """The fields of a form of this session (multipart). Raises Problem 403 for another's form."""
    form = await read_form(visit.request, {"token": _TOKEN_BYTES, **limits})
    token = form.pop("token", Part(b"")).text("token")
    if not is_own_form(visit.request, visit.session, token):
        raise Problem.of(
            error_codes.SCOPE_MISSING,
            "The form is not from this session",
            hint="Open the page again, and send its form.",
        )
    return form


def _to_sign_in(request: Request) -> Response:
    """The way to the sign-in; the part of a page that is loaded again lets the page go there."""
    headers = {"Cache-Control": "no-store"}
    if "hx-request" in request.headers:
        return Response(
            status_code=204, headers={**headers, "HX-Redirect": SIGN_IN_PATH}
        )
    return RedirectResponse(SIGN_IN_PATH, 303, headers)
