"""The check of callers and the table of paths that all system APIs share."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kapi import error_codes
from kapi.errors import Problem
from kapi.front.web.http.holders import Holders
from kapi.identity.issuers.verify import (
    IssuerKeys,
    Principal,
    Refused,
    require_scope,
    verify_bearer,
)

PRINCIPAL = "principal"
"""Where the caller of a request is kept, in its state."""
CALLER: Final = "kapi.caller"
"""Where a request of the console has its caller, in its ASGI scope.

No request from a network has it: the server makes the scope.
"""
OF_INSTALLATION: Final = frozenset({"kapi:clients", "kapi:keys", "kapi:metrics"})
"""Scopes of APIs whose objects belong to all organizations.

Who can make a client can make one without an organization, with any scope.
"""
VERSIONS = ("1.0.0", "1.1.0", "1.2.0")

Row = tuple[str, str, str, Callable[[Request], Any]]
"""Method, API, path below it, endpoint."""


class Access:
    """The check of callers that every system API makes."""

    def __init__(
        self,
        issuers: Callable[[], Sequence[IssuerKeys]],
        organization: str,
        revoked: Callable[[str, str], bool],
        refused: Refused,
        holders: Holders,
    ) -> None:
        """`organization` is the owner if a token names none.

        `issuers` returns the trusted issuers. `revoked` returns whether the token with an issuer
        and a `jti` was revoked. `refused` is called with the reason of each refusal. `holders`
        checks the proofs of tokens that are bound to a key.
        """
        self._refused = refused
        self._issuers = issuers
        self._revoked = revoked
        self._organization = organization
        self._holders = holders

    def principal(self, request: Request, *any_of: str) -> Principal:
        """The caller, who must have one of these scopes. Raises Problem 401 or 403.

        One that is of an organization, other than that of the platform, cannot use what belongs to
        all of them.
        """
        principal = self._verified(request, any_of)
        self._refuse_part(principal, any_of)
        return principal

    def caller(self, request: Request) -> Principal:
        """The caller, whatever the scopes of the token are. Raises Problem 401 or 403."""
        return self._verified(request, None)

    def _refuse_part(self, principal: Principal, any_of: Sequence[str]) -> None:
        own = self.only_organization(principal)
        if own and OF_INSTALLATION.issuperset(any_of):
            raise Problem.of(
                error_codes.OTHER_ORGANIZATION,
                detail=f"callers of {own} cannot use what belongs to all organizations",
                hint="Use a client without an organization.",
            )

    def _verified(self, request: Request, any_of: Sequence[str] | None) -> Principal:
        if CALLER in request.scope:
            known: Principal = request.scope[CALLER]
            if any_of is not None:
                require_scope(known, any_of)
            setattr(request.state, PRINCIPAL, known)
            return known
        headers = request.headers.getlist("authorization")
        sent = ""
        if len(headers) == 1:
            sent = headers[0]
        holder = self._holders.of(request)
        try:
            principal = verify_bearer(
                sent,
                self._issuers(),
                int(time.time()),
                self._revoked,
                self._refused,
                holder,
            )
            if any_of is not None:
                require_scope(principal, any_of)
        except Problem as problem:
            challenge = problem.headers.get("WWW-Authenticate")
            if challenge:
                # RFC 9728 §5.1: where a client finds the authorization servers.
                problem.headers["WWW-Authenticate"] = (
                    f'{challenge}, resource_metadata="{self._holders.metadata_url(request)}"'
                )
            raise
        setattr(request.state, PRINCIPAL, principal)
        return principal

    def organization(self, principal: Principal) -> str:
        """The organization whose resources the caller reads and changes."""
        return principal.organization or self._organization

    def only_organization(self, principal: Principal) -> str:
        """The only organization whose objects the caller manages; empty for all.

        Callers of the organization of the platform, and of none, manage those of all.
        """
        if principal.organization == self._organization:
            return ""
        return principal.organization


def versioned(table: Iterable[Row]) -> list[Route]:
    """Routes for each row: without a version, and with each version in the path."""
    return [
        Route(f"{api}{version}{path}", endpoint, methods=[method])
        for method, api, path, endpoint in table
        for version in ("", *(f"/{number}" for number in VERSIONS))
    ]


def json_answer(value: Any, status: int = 200) -> Response:
    """The response with this value as JSON."""
    return Response(orjson.dumps(value), status, media_type="application/json")
