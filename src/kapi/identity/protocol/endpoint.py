"""The shape of an endpoint."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from kapi.identity.protocol.http import Answer, Request
from kapi.identity.provider import Provider


class Endpoint(Protocol):
    """A module of this package, or a value with the same members."""

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
