"""A platform behind a URL. Everything goes over its system APIs, with TLS verified."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from kapi.dataclass import dataclass
from kapi.errors import KapiError, Problem
from kapi.front.cli.server.base import Answer, authority, connection_to
from kapi.front.cli.server.contexts import Context
from kapi.front.cli.server.credentials import Credential, credential_of, keep, locked
from kapi.front.cli.server.discovery import RESOURCE, Provider, provider_of
from kapi.front.cli.server.grants import (
    Sent,
    authenticated,
    client_credentials,
    refused,
)

if TYPE_CHECKING:
    import ssl
    from http.client import HTTPSConnection

_LARGEST = 1024 * 1024
"""Bytes of an answer of a provider."""
_BEFORE = 30
"""Seconds before its end at which an access token is replaced."""


@dataclass(frozen=True, slots=True)
class RemoteServer:
    """The platform of a context. `name` is that of the context, or its URL."""

    name: str
    context: Context

    @property
    def api_host(self) -> str:
        """That of the URL."""
        return self.context.host

    @property
    def identity_host(self) -> str:
        """That of its first issuer's token endpoint."""
        return urlsplit(self.provider().token_endpoint).hostname or ""

    @property
    def default_host(self) -> str:
        """The platform does not say it."""
        raise KapiError(
            "host",
            f"which host of {self.name}?",
            hint="Name it: --host default.gw.example.com.",
        )

    @property
    def is_for_tests(self) -> bool:
        """Not known from here."""
        return False

    def authority(self, host: str) -> str:
        """A host with the port of the gateway."""
        return authority(host, self.context.port)

    def shown(self, url: str) -> str:
        """The URL as the platform says it."""
        return url

    def connect(self, host: str) -> HTTPSConnection:
        """A connection to a host of the gateway. Raises OSError."""
        return self._connect(host, self.context.port)

    def _connect(self, host: str, port: int) -> HTTPSConnection:
        where = host
        if f".{host}".endswith(".localhost"):
            where = "127.0.0.1"  # RFC 6761 §6.3; few resolvers do it
        if self.context.address and port == self.context.port:
            where = self.context.address
        return connection_to(host, port, (where, port), self._tls())

    def _tls(self) -> ssl.SSLContext:
        import ssl

        context = ssl.create_default_context()
        if self.context.ca:
            context.load_verify_locations(self.context.ca)
        return context

    def unreachable(self, error: Exception) -> KapiError:
        """What to do about a name, a port or a certificate."""
        import ssl

        hint = "Check the URL, and that this machine reaches it; --address names where to connect."
        if isinstance(error, ssl.SSLCertVerificationError):
            hint = (
                "Name the platform's authority: kapi context add NAME URL --ca FILE."
                " On its machine, `kapi ca` prints the file."
            )
        return KapiError(
            "not-running", f"{self.context.server} does not answer ({error})", hint=hint
        )

    def scopes(self) -> tuple[str, ...]:
        """The scopes of its system APIs. Raises KapiError."""
        metadata = self._fetch(f"{self.context.server}{RESOURCE}")
        return tuple(map(str, metadata.get("scopes_supported") or ()))

    def provider(self) -> Provider:
        """Where its tokens come from. Raises KapiError."""
        return provider_of(self.context.server, self.context.issuer, self._fetch)

    def _fetch(self, url: str) -> Mapping[str, Any]:
        answer = self._exchange(url, "GET", None, {})
        if answer.status != 200:
            raise KapiError("provider", f"HTTP {answer.status}")
        return answer.members

    def _exchange(
        self, url: str, method: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Answer:
        from http.client import HTTPException

        parts = urlsplit(url)
        if parts.scheme != "https" or not parts.hostname:
            raise KapiError("provider", f"{url[:200]} is not an https URL")
        path = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
        try:
            port = parts.port or 443
            connection = self._connect(parts.hostname, port)
            sent = {"Host": authority(parts.hostname, port), **headers}
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            return Answer(answer.status, answer.read(_LARGEST))
        except (OSError, HTTPException) as error:
            raise self.unreachable(error) from error

    def post(self, url: str, sent: Sent) -> Answer:
        """Post a form to an endpoint of the provider. Raises KapiError without an answer."""
        fields, headers = sent
        return self._exchange(url, "POST", urlencode(fields).encode(), headers)

    def token(self, scopes: tuple[str, ...], client_id: str | None) -> str:
        """KAPI_TOKEN, or a token of what `kapi login` keeps. Raises Problem if there is none."""
        if client_id is not None:
            return self._of_client(
                client_id, os.environ.get("KAPI_CLIENT_SECRET", ""), scopes, ""
            )
        if os.environ.get("KAPI_TOKEN"):
            return os.environ["KAPI_TOKEN"]
        known = credential_of(self.name)
        if known is None:
            raise self._signed_out(f"no user is signed in at {self.name}")
        if not known.is_of_a_person:
            return self._of_client(
                known.client, known.secret, scopes, known.token_endpoint
            )
        return self._of_person(scopes)

    def _of_client(
        self, client_id: str, secret: str, scopes: tuple[str, ...], endpoint: str
    ) -> str:
        url = endpoint or self.provider().token_endpoint
        answer = self.post(url, client_credentials(client_id, secret, scopes))
        token = answer.members.get("access_token")
        if answer.status != 200 or not isinstance(token, str):
            hint = "Sign in again with `kapi login`, or set KAPI_TOKEN."
            raise refused(answer, f"no token for the client {client_id}", hint)
        return token

    def _of_person(self, scopes: tuple[str, ...]) -> str:
        with locked():
            known = credential_of(self.name)
            if known is None:
                raise self._signed_out(f"no user is signed in at {self.name}")
            if known.expires_at - _BEFORE <= time.time():
                known = self._refreshed(known)
        missing = [scope for scope in scopes if scope not in known.scopes.split()]
        if known.scopes and missing:
            options = " ".join(f"--scope {scope}" for scope in missing)
            raise Problem(
                403,
                "scope",
                f"the sign-in at {self.name} lacks the scope {' '.join(missing)}",
                hint=f"Sign in again: kapi login {options}.",
            )
        return known.access_token

    def _refreshed(self, known: Credential) -> Credential:
        if not known.refresh_token:
            raise self._signed_out(f"the sign-in at {self.name} has expired")
        fields = {"grant_type": "refresh_token", "refresh_token": known.refresh_token}
        answer = self.post(
            known.token_endpoint, authenticated(fields, known.client, known.secret)
        )
        if answer.status != 200:
            if answer.members.get("error") == "invalid_grant":
                keep(self.name, None)
            raise self._signed_out(f"the sign-in at {self.name} has ended")
        made = with_tokens(known, answer.members)
        keep(self.name, made)
        return made

    def _signed_out(self, title: str) -> Problem:
        return Problem(
            401, "login", title, hint="Sign in with `kapi login`, or set KAPI_TOKEN."
        )


def with_tokens(known: Credential, members: Mapping[str, Any]) -> Credential:
    """The credential with the tokens of an answer (RFC 6749 §5.1). Raises KapiError."""
    token, lifetime = members.get("access_token"), members.get("expires_in", 3600)
    if not isinstance(token, str) or not isinstance(lifetime, int):
        raise KapiError(
            "provider", "the answer of the token endpoint has no usable token"
        )
    return replace(
        known,
        access_token=token,
        refresh_token=str(members.get("refresh_token") or known.refresh_token),
        expires_at=int(time.time()) + lifetime,
        scopes=str(members.get("scope", known.scopes)),
    )
