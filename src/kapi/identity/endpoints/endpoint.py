"""The shape of an endpoint."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from kapi.identity.protocol.http import Answer, Request
from kapi.identity.protocol.published import Published
from kapi.identity.provider import Provider


class Endpoint(Protocol):
    """A module of this package, or a value with the same members."""

    @property
    def methods(self) -> tuple[str, ...]:
        """Its HTTP methods; GET includes HEAD."""

    @property
    def quick(self) -> bool | Callable[[Request], bool]:
        """Whether it does not use the store, so that it may run in the event loop.

        A function decides for one request, which may then also read a few rows.
        """

    def paths(self, published: Published) -> tuple[str, ...]:
        """Its paths. A path that ends in `/` includes all paths below it."""

    def metadata(self, published: Published) -> Mapping[str, Any]:
        """Its members of the discovery document."""

    def needs(self, provider: Provider) -> Any:
        """What `answer` is given of the provider."""

    def answer(self, given: Any, request: Request, /) -> Answer:
        """Answer a request. Raises OAuthError."""
