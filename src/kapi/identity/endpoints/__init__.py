"""The endpoints besides the token endpoint. One endpoint = one file, and one name in ENDPOINTS; discovery is put together from them.

A page for people says `cross_origin = False`: scripts of other sites may not read it (RFC 9700 §2.6).
`front/web/identity/app.py` finds the endpoint by its path, checks method and sizes, and turns every OAuthError into its JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from kapi.identity.endpoints import (
    approvals,
    authorize,
    backchannel_authentication,
    callback,
    client_configuration,
    consent,
    device,
    device_authorization,
    discovery,
    end_session,
    health,
    home,
    introspect,
    jwks,
    openapi,
    par,
    register,
    revoke,
    select,
    sign_in,
    sign_in_paths,
    userinfo,
)
from kapi.identity.protocol.http import Answer, Request
from kapi.identity.provider import Provider


class Endpoint(Protocol):
    """The shape of an endpoint module."""

    @property
    def methods(self) -> tuple[str, ...]:
        """HTTP methods it takes; HEAD comes with GET."""

    @property
    def quick(self) -> bool | Callable[[Provider, Request], bool]:
        """Whether it only computes: the store is neither read nor written, so it may run in the event loop.

        A function says so of one request: it may also look into the store for a moment while that is idle.
        """

    def paths(self, provider: Provider) -> tuple[str, ...]:
        """Where it answers. A path that ends in `/` answers for everything below it."""

    def metadata(self, provider: Provider) -> Mapping[str, Any]:
        """Its members of the discovery document."""

    def answer(self, provider: Provider, request: Request) -> Answer:
        """Answer a request. Raises OAuthError."""


ENDPOINTS: tuple[Endpoint, ...] = (
    discovery,
    jwks,
    health,
    authorize,
    sign_in,
    select,
    consent,
    callback,
    sign_in_paths,
    par,
    introspect,
    revoke,
    register,
    client_configuration,
    userinfo,
    end_session,
    device_authorization,
    device,
    backchannel_authentication,
    approvals,
    openapi,
    home,
)
