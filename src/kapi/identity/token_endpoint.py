"""The token endpoint (RFC 6749 §3.2) in seven steps. Called by `front/web/identity/app.py`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from kapi.dataclass import dataclass
from kapi.errors import OAuthError
from kapi.identity.client_authentication import authenticate_client
from kapi.identity.clients.clients import Client
from kapi.identity.grants import Grant
from kapi.identity.minting.minter import AccessToken
from kapi.identity.protocol.details import requested_details
from kapi.identity.protocol.forms import Form
from kapi.identity.protocol.http import Credentials
from kapi.identity.protocol.resources import requested_resources
from kapi.identity.protocol.scopes import granted_scope
from kapi.identity.provider import Provider
from kapi.identity.tokens.issuance import Issuance, TokenRequest
from kapi.identity.tokens.sender_constraint import confirm

PATHS = (
    "/oauth2/token",
    "/oauth2/1.0.0/token",
    "/oauth2/1.1.0/token",
    "/oauth2/1.2.0/token",
)


@dataclass(frozen=True, slots=True)
class Granted:
    """The decision about a request: the token to make, and what the grant adds to the answer."""

    client: Client
    grant: str
    access: AccessToken
    token_type: str
    issued: Issuance


class TokenEndpoint:
    """The pipeline, bound to a provider and its grants."""

    def __init__(self, provider: Provider, grants: Sequence[Grant]) -> None:
        self.provider = provider
        self._grants = {grant.facts.grant_type: grant for grant in grants}
        self._may_write = provider.minting.may_be_opaque()

    def quick(self, form: Form, credentials: Credentials) -> bool:
        """Whether the answer needs no I/O, so that the event loop may compute it."""
        grant = self._grants.get(form.values.get("grant_type", ""))
        remembers = (
            credentials.proofs
            or credentials.certificate
            or "client_assertion" in form.values
        )
        published = (
            "client_secret" not in form.values and credentials.authorization is None
        )
        return (
            (grant is None or grant.facts.quick)
            and not remembers
            and not published
            and not self._may_write
        )

    def answer(
        self, form: Form, credentials: Credentials, now: int
    ) -> Mapping[str, Any]:
        """The members of a successful answer (RFC 6749 §5.1). Raises OAuthError."""
        return self.issued(self.granted(form, credentials, now), form, now)

    def granted(self, form: Form, credentials: Credentials, now: int) -> Granted:
        """The decision about a request. Raises OAuthError."""
        with self._counted_refusals(form):
            # 1. Authenticate the client.
            client = authenticate_client(
                self.provider.client_authentication, form.values, credentials, now
            )
            return self._granted(client, form, credentials, now)

    def issued(self, granted: Granted, form: Form, now: int) -> Mapping[str, Any]:
        """The members of the answer to a granted request. Raises OAuthError."""
        with self._counted_refusals(form):
            # 7. Make the token.
            access = granted.access
            token = self.provider.minting.mint(granted.client, access, form.values, now)
            members = {
                "access_token": token,
                "token_type": granted.token_type,
                "expires_in": access.lifetime,
                "scope": access.scope,
                **granted.issued.extra,
            }
            if granted.issued.with_token:
                members |= granted.issued.with_token(token)
        self.provider.figures.tokens.add((granted.grant, granted.client.id))
        return members

    @contextmanager
    def _counted_refusals(self, form: Form) -> Iterator[None]:
        try:
            yield
        except OAuthError as error:
            grant = form.values.get("grant_type", "")
            known = grant if grant in self._grants else "unknown"
            self.provider.figures.refusals.add((known, error.error))
            raise

    def _granted(
        self, client: Client, form: Form, credentials: Credentials, now: int
    ) -> Granted:
        # 2. Find the grant that the client may use.
        grant = self._grant(form, client)
        # 3. Check the scopes.
        scope = granted_scope(client, form.values.get("scope"))
        # 4. Find the key that the client holds.
        confirmation = confirm(self.provider.proofs, client, credentials, now)
        # 5. Check resources and authorization details.
        resources, details = (
            requested_resources(client, form),
            requested_details(client, form),
        )
        # 6. Let the grant decide.
        issued = grant.authorize(
            grant.needs(self.provider),
            TokenRequest(client, form, scope, now, confirmation, resources, details),
        )
        access, token_type = issued.access, issued.token_type
        if confirmation:
            access = replace(
                access, claims={**access.claims, "cnf": confirmation.members}
            )
            token_type = confirmation.token_type
        return Granted(client, grant.facts.grant_type, access, token_type, issued)

    def _grant(self, form: Form, client: Client) -> Grant:
        wanted = form.need("grant_type")
        grant = self._grants.get(wanted)
        if grant is None:
            raise OAuthError(
                "unsupported_grant_type",
                "This grant type is not supported; the discovery document lists those that are",
            )
        if wanted not in client.grants:
            raise OAuthError(
                "unauthorized_client", "The client may not use this grant type"
            )
        if client.is_public and not grant.facts.public_clients:
            raise OAuthError(
                "unauthorized_client",
                "A public client may not use this grant type: it cannot prove who it is",
            )
        return grant
