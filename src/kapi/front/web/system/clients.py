"""The clients API, `/api/clients`: OAuth clients of the provider. A secret is shown once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kapi import error_codes
from kapi.errors import Problem
from kapi.front.web.http.access import Access, json_answer
from kapi.front.web.http.bodies import read_json_body
from kapi.front.web.operate.auditing import about
from kapi.identity.client_policy import ANYTHING, client_policy
from kapi.identity.clients.metadata import RegistrationError, shown
from kapi.identity.clients.registration import register, rotate_secret
from kapi.identity.clients.remote_documents import RemoteDocuments
from kapi.identity.keys.keyring import wanted_algorithms
from kapi.settings import ClientSettings, Settings
from kapi.store.registered_clients import RegisteredClients

CLIENTS_SCOPE = "kapi:clients"


class ClientsApi:
    """The endpoints of this API."""

    def __init__(
        self,
        access: Access,
        settings: Settings,
        registered: RegisteredClients,
        documents: RemoteDocuments,
        random_bytes: Callable[[int], bytes],
        new_id: Callable[[], str],
        now: Callable[[], float],
    ) -> None:
        self._access = access
        self._registered = registered
        self._documents = documents
        self._configured = settings.identity.clients
        self._policy = client_policy(
            settings.identity, wanted_algorithms(settings.identity), ANYTHING
        )
        self._random_bytes = random_bytes
        self._new_id = new_id
        self._now = now

    def routes(self) -> list[Route]:
        """The routes of this API."""
        one = "/api/clients/{client_id}"
        return [
            Route("/api/clients", self.list, methods=["GET"]),
            Route("/api/clients", self.create, methods=["POST"]),
            Route(one, self.show, methods=["GET"]),
            Route(one, self.remove, methods=["DELETE"]),
            Route(f"{one}/secret", self.rotate, methods=["POST"]),
        ]

    async def list(self, request: Request) -> Response:
        """All clients, without secrets."""
        self._access.principal(request, CLIENTS_SCOPE)
        stored = await run_in_threadpool(self._registered.all)
        configured = list(map(_configured, self._configured))
        return json_answer(
            {"clients": [*configured, *({**shown(item), "source": "store"} for item in stored)]}
        )

    async def create(self, request: Request) -> Response:
        """A new client from its metadata (RFC 7591 §2); the answer holds its secret, this once."""
        self._access.principal(request, CLIENTS_SCOPE)
        sent = await read_json_body(request, "/openapi.html on this host describes it.")
        try:
            made = await run_in_threadpool(self._create, sent)
        except RegistrationError as error:
            raise Problem.of(
                error_codes.INVALID_CLIENT,
                detail=f"{error.error}: {error.detail}",
                hint="/openapi.html on this host describes it.",
            ) from error
        about(request, str(made["client_id"]))
        return json_answer(made, 201)

    def _create(self, sent: Any) -> dict[str, Any]:
        made = register(
            self._registered,
            sent,
            self._policy,
            documents=self._documents,
            random_bytes=self._random_bytes,
            new_id=self._new_id,
            now=int(self._now()),
        )
        return {**shown(made.client), **({"client_secret": made.secret} if made.secret else {})}

    async def show(self, request: Request) -> Response:
        """A client."""
        self._access.principal(request, CLIENTS_SCOPE)
        client_id = request.path_params["client_id"]
        configured = next((item for item in self._configured if item.id == client_id), None)
        if configured is not None:
            return json_answer(_configured(configured))
        stored = await run_in_threadpool(self._registered.get, client_id)
        if stored is None:
            raise _not_found(client_id)
        return json_answer({**shown(stored), "source": "store"})

    async def remove(self, request: Request) -> Response:
        """Remove a client; its tokens are valid until they expire."""
        self._access.principal(request, CLIENTS_SCOPE)
        client_id = self._changeable(request)
        if not await run_in_threadpool(self._registered.remove, client_id):
            raise _not_found(client_id)
        return Response(status_code=204)

    async def rotate(self, request: Request) -> Response:
        """Another secret for a client, shown this once; the one before is refused."""
        self._access.principal(request, CLIENTS_SCOPE)
        client_id = self._changeable(request)
        return json_answer(await run_in_threadpool(self._rotate, client_id), 201)

    def _rotate(self, client_id: str) -> dict[str, Any]:
        before = self._registered.get(client_id)
        if before is None:
            raise _not_found(client_id)
        try:
            made = rotate_secret(self._registered, before, self._random_bytes)
        except RegistrationError as error:
            raise Problem.of(
                error_codes.INVALID_CLIENT,
                detail=error.detail,
                hint="It proves who it is in another way: change its keys where they are.",
            ) from error
        return {**shown(made.client), "client_secret": made.secret}

    def _changeable(self, request: Request) -> str:
        """The id in the path. Raises Problem for a client of the settings."""
        client_id: str = request.path_params["client_id"]
        if any(item.id == client_id for item in self._configured):
            raise Problem.of(
                error_codes.CLIENT_IN_SETTINGS,
                detail=f"{client_id} is in the settings",
                hint="Change [[identity.clients]] in kapi.toml and start again.",
            )
        return client_id


def _configured(client: ClientSettings) -> dict[str, Any]:
    return {
        "client_id": client.id,
        "client_name": client.name,
        "grant_types": list(client.grants),
        "redirect_uris": list(client.redirect_uris),
        "scope": " ".join(client.scopes),
        "token_endpoint_auth_method": client.token_endpoint_auth_method,
        "source": "settings",
    }


def _not_found(client_id: str) -> Problem:
    return Problem.of(
        error_codes.CLIENT_NOT_FOUND,
        f"there is no client {client_id[:255]!r}",
        hint="See them with: kapi client list.",
    )
