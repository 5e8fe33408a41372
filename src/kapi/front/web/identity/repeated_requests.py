"""Client credentials requests that a client sends again, byte for byte, are decided once.

Programs ask for each new token with the same request. Its decision (client, scope, audience,
lifetime, claims) depends only on the request, the client and the settings, so the next answer
differs in `jti`, times and signature. Called by `token_lane.py`.

A decision is kept for one client object and one minter: both are new after a change. Only granted
requests are kept, by a keyed digest, so that no secret stays in memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

import orjson

from kapi.dataclass import dataclass
from kapi.identity.clients.clients import Client
from kapi.identity.minting.minter import Minter, Template
from kapi.identity.protocol.forms import FORM, Form
from kapi.identity.protocol.http import Credentials
from kapi.identity.provider import Provider
from kapi.identity.token_endpoint import TokenEndpoint

MOST: Final = 1000
"""Decisions at most; the oldest is removed first."""
_LARGEST: Final = 1024
"""Bytes of a request that is kept; a decision takes a few times as much memory."""
_FORM: Final = FORM.encode("ascii")
_PROOFS: Final = frozenset({b"dpop", b"x-kapi-client-certificate"})
"""Headers with which each request is decided."""

RawHeaders = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class _Decision:
    """A token request that was granted, and what its tokens contain."""

    provider: Provider
    client: Client
    minter: Minter
    template: Template
    rest: bytes
    """The members of the answer after the token."""
    counted: tuple[str, str]
    """The grant and the client, for the figures."""


class RepeatedRequests:
    """The decisions of the token endpoints, under all names of the host."""

    def __init__(self, random_key: bytes) -> None:
        self._key = random_key
        self._decisions: dict[bytes, _Decision] = {}

    def again(self, headers: RawHeaders, body: bytes, now: int) -> bytes | None:
        """The answer to a request that was granted before, or None."""
        digest = self._digest(headers, body)
        decision = self._decisions.get(digest)
        if decision is None:
            return None
        provider, client = decision.provider, decision.client
        if (
            provider.minter is not decision.minter
            or provider.clients.get(client.id) is not client
        ):
            del self._decisions[digest]
            return None
        provider.figures.tokens.add(decision.counted)
        token = decision.template.mint(now, provider.new_id())
        return b'{"access_token":"%b",%b' % (token, decision.rest)

    def first(
        self,
        endpoint: TokenEndpoint,
        headers: RawHeaders,
        body: bytes,
        asked: tuple[Form, Credentials],
        now: int,
    ) -> bytes:
        """The answer to another request that needs no I/O. Raises OAuthError."""
        form, credentials = asked
        provider = endpoint.provider
        minter = provider.minter
        granted = endpoint.granted(form, credentials, now)
        members = orjson.dumps(endpoint.issued(granted, form, now))
        digest = self._digest(headers, body)
        if digest and granted.grant == "client_credentials":
            template = provider.minting.template(
                granted.client, granted.access, form.values
            )
            if template is not None:
                rest = members[members.index(b",") + 1 :]
                counted = (granted.grant, granted.client.id)
                self._keep(
                    digest,
                    _Decision(
                        provider, granted.client, minter, template, rest, counted
                    ),
                )
        return members

    def _keep(self, digest: bytes, decision: _Decision) -> None:
        if len(self._decisions) >= MOST:
            del self._decisions[next(iter(self._decisions))]
        self._decisions[digest] = decision

    def _digest(self, headers: RawHeaders, body: bytes) -> bytes:
        """Of all that a decision depends on; empty for requests that are not kept."""
        by_name = dict(headers)
        authorization = by_name.get(b"authorization")
        if (
            authorization is None
            or len(by_name) != len(headers)
            or by_name.get(b"content-type") != _FORM
            or not _PROOFS.isdisjoint(by_name)
            or len(authorization) + len(body) > _LARGEST
        ):
            return b""
        host = by_name.get(b"host", b"")
        text = b"%d:%d:%b%b%b" % (
            len(host),
            len(authorization),
            host,
            authorization,
            body,
        )
        return hashlib.blake2b(text, key=self._key, digest_size=32).digest()
