"""The gateway part of the kinds of API: one kind is one function and its row in ROUTES.

The other part is in `apis/kinds`. For `scopes.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Protocol

from kapi.apis.kinds.rest import REST
from kapi.gateway.envoy.resources.context import RenderContext
from kapi.gateway.envoy.resources.routes.rest import rest_routes
from kapi.policies import Place


class Routes(Protocol):
    """The routes of an API on one host below one base path."""

    def __call__(
        self, base_path: str, placed: Sequence[Place], context: RenderContext
    ) -> Iterable[dict[str, Any]]:
        """All routes, in the order of their matches.

        `placed` are the operations of the API that exist on the host, in the order of the IR.
        """


ROUTES: Final[Mapping[str, Routes]] = {REST.type: rest_routes}
"""By the type of the API."""
