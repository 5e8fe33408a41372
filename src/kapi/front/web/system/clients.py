"""The clients API, `/api/clients`: OAuth clients of the provider. A secret is shown once."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kapi import error_codes
from kapi.errors import Diagnostic, Invalid, Problem
from kapi.front.web.http.access import Access, json_answer
from kapi.front.web.http.bodies import read_json_body
from kapi.front.web.http.merging import merged
from kapi.front.web.http.preconditions import guarded, tag_of, tagged
from kapi.front.web.http.shapes import DOCUMENT_HINT
from kapi.front.web.operate.auditing import about
from kapi.identity.client_policy import ANYTHING, client_policy
from kapi.identity.clients.declared import Mistaken, changed_client, client_document
from kapi.identity.clients.metadata import OURS, RegistrationError, scope_words, shown
from kapi.identity.clients.registration import (
    Registration,
    check_sector,
    register,
    rotate_secret,
)
from kapi.identity.clients.remote_documents import RemoteDocuments
from kapi.identity.keys.keyring import wanted_algorithms
from kapi.settings import ClientSettings, Settings
from kapi.settings.checks import Mistake
from kapi.settings.identity.client_checks import ClientFacts, unknown_names
from kapi.settings.values import checked
from kapi.store.registered_clients import RegisteredClient, RegisteredClients

CLIENTS_SCOPE = "kapi:clients"
_PART = re.compile(r"[^.\[\]]+")
_ROOT = "_"
"""What `checked` calls the client itself."""


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
            Route(one, self.change, methods=["PATCH"]),
            Route(one, self.remove, methods=["DELETE"]),
            Route(f"{one}/secret", self.rotate, methods=["POST"]),
        ]

    async def list(self, request: Request) -> Response:
        """All clients, without secrets."""
        self._access.principal(request, CLIENTS_SCOPE)
        stored = await run_in_threadpool(self._registered.all)
        configured = list(map(_configured, self._configured))
        return json_answer({"clients": [*configured, *map(_document, stored)]})

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
        about(request, made.client.id)
        return tagged(
            request, _document(made.client), 201, more=_secret_of(made.secret)
        )

    def _create(self, sent: Any) -> Registration:
        return register(
            self._registered,
            sent,
            self._policy,
            documents=self._documents,
            random_bytes=self._random_bytes,
            new_id=self._new_id,
            now=int(self._now()),
        )

    async def show(self, request: Request) -> Response:
        """Answer with one client."""
        self._access.principal(request, CLIENTS_SCOPE)
        client_id = request.path_params["client_id"]
        configured = next(
            (item for item in self._configured if item.id == client_id), None
        )
        if configured is not None:
            return tagged(request, _configured(configured))
        stored = await run_in_threadpool(self._registered.get, client_id)
        if stored is None:
            raise _not_found(client_id)
        return tagged(request, _document(stored))

    async def change(self, request: Request) -> Response:
        """Change members of a client (RFC 7396): those of a registration, and its other settings.

        null is the default. What is taken away is taken from its codes, refresh tokens and pushed
        requests too. A client that needs a secret now gets one, which is shown this once.
        """
        self._access.principal(request, CLIENTS_SCOPE)
        sent = await read_json_body(request, DOCUMENT_HINT)
        client_id = self._changeable(request)
        about(request, client_id, ", ".join(sorted(sent))[:255])
        made = await guarded(
            request, self._tag(client_id), self._change, client_id, sent
        )
        return tagged(request, _document(made.client), more=_secret_of(made.secret))

    def _change(self, client_id: str, sent: Mapping[str, Any]) -> Registration:
        secret = ""

        def changed(before: RegisteredClient) -> RegisteredClient:
            nonlocal secret
            settings = changed_settings(before, sent, self._policy.facts)
            client, secret = changed_client(
                settings, before, self._policy, self._random_bytes
            )
            check_sector(client.metadata["settings"], self._documents, int(self._now()))
            return client

        try:
            made = self._registered.change(client_id, changed)
        except Mistaken as error:
            raise _invalid(error.mistakes) from error
        except RegistrationError as error:
            raise _invalid([Mistake(error.detail)]) from error
        if made is None:
            raise _not_found(client_id)
        return Registration(made, secret)

    async def remove(self, request: Request) -> Response:
        """Remove a client; its tokens are valid until they expire."""
        self._access.principal(request, CLIENTS_SCOPE)
        client_id = self._changeable(request)
        if not await guarded(
            request, self._tag(client_id), self._registered.remove, client_id
        ):
            raise _not_found(client_id)
        return Response(status_code=204)

    async def rotate(self, request: Request) -> Response:
        """Another secret for a client, shown this once; the one before is refused."""
        self._access.principal(request, CLIENTS_SCOPE)
        client_id = self._changeable(request)
        made = await guarded(request, self._tag(client_id), self._rotate, client_id)
        return tagged(
            request, _document(made.client), 201, more=_secret_of(made.secret)
        )

    def _rotate(self, client_id: str) -> Registration:
        try:
            made = rotate_secret(self._registered, client_id, self._random_bytes)
        except RegistrationError as error:
            raise Problem.of(
                error_codes.INVALID_CLIENT,
                detail=error.detail,
                hint="It proves who it is in another way: change its keys where they are.",
            ) from error
        if made is None:
            raise _not_found(client_id)
        return made

    def _tag(self, client_id: str) -> Callable[[], str]:
        """Reads the tag of a client."""

        def tag() -> str:
            stored = self._registered.get(client_id)
            if stored is None:
                return ""
            return tag_of(_document(stored))

        return tag

    def _changeable(self, request: Request) -> str:
        """The id in the path. Raises Problem for a client of the settings."""
        client_id: str = request.path_params["client_id"]
        if any(item.id == client_id for item in self._configured):
            raise Problem.of(
                error_codes.CLIENT_IN_SETTINGS,
                detail=f"{client_id} is in the settings",
                hint="Change [[identity.clients]] in kapi.toml, then: kapi reload.",
            )
        return client_id


def _document(client: RegisteredClient) -> dict[str, Any]:
    return {**shown(client), "source": "store"}


def _secret_of(secret: str) -> dict[str, Any]:
    """The member of an answer that shows a new secret."""
    return {"client_secret": secret} if secret else {}


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


def changed_settings(
    before: RegisteredClient, sent: Mapping[str, Any], facts: ClientFacts
) -> ClientSettings:
    """The settings of a client with the members of a merge patch. Raises Invalid."""
    patch = {OURS.get(name, name): value for name, value in sent.items()}
    if "scopes" in patch:
        patch["scopes"] = scope_words(patch["scopes"])
    mistakes: list[Mistake] = []
    for name in {"id", "client_id", "secret"}.intersection(patch):
        del patch[name]
        mistakes.append(Mistake("cannot be changed", where=f".{name}"))
    members = merged(client_document(before), patch)

    def wrong(where: str, message: str, hint: str = "") -> None:
        mistakes.append(Mistake(message, hint, where.removeprefix(_ROOT)))

    settings = checked(ClientSettings, members, _ROOT, wrong)
    for mistake in unknown_names([members], facts):
        mistakes.append(mistake._replace(where=mistake.where.removeprefix("[0]")))
    if mistakes:
        raise _invalid(mistakes)
    made: ClientSettings = settings
    return made


def _invalid(mistakes: Sequence[Mistake]) -> Invalid:
    names = {ours: name for name, ours in OURS.items()}
    items = []
    for what, hint, where in mistakes:
        parts, text = _PART.findall(where), what
        if parts:
            parts[0] = names.get(parts[0], parts[0])
            text = f"{parts[0]}: {what}"
        pointer = f"#/{'/'.join(parts)}"
        items.append(Diagnostic("client", text, hint or DOCUMENT_HINT, pointer))
    return Invalid(tuple(items), error_codes.INVALID_CLIENT)


def _not_found(client_id: str) -> Problem:
    return Problem.of(
        error_codes.CLIENT_NOT_FOUND,
        f"there is no client {client_id[:255]!r}",
        hint="See them with: kapi client list.",
    )
