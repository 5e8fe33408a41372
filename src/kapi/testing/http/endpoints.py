"""The names of the provider's endpoints, as the journal and the faults use them."""

from __future__ import annotations

from collections.abc import Mapping

from kapi.identity.endpoints import ENDPOINTS
from kapi.identity.protocol.published import Published
from kapi.identity.token_endpoint import PATHS

_SHORT = {"backchannel_authentication": "ciba", "sign_in_paths": "sign_in"}


class EndpointNames:
    """Finds the name of a path; `other` for a path without an endpoint."""

    def __init__(self, published: Published) -> None:
        named = [(path, "token") for path in PATHS]
        for endpoint in ENDPOINTS:
            name = _name(getattr(endpoint, "__name__", type(endpoint).__name__))
            named += [(path, name) for path in endpoint.paths(published)]
        self._exact: Mapping[str, str] = dict(reversed(named))
        below = [pair for pair in named if pair[0][1:].endswith("/")]
        self._below = sorted(below, key=lambda pair: -len(pair[0]))

    def find(self, path: str) -> str:
        """The name of the endpoint at this path."""
        if path in self._exact:
            return self._exact[path]
        for prefix, name in self._below:
            if path.startswith(prefix):
                return name
        return "other"


def _name(module: str) -> str:
    last = module.rpartition(".")[2]
    return _SHORT.get(last, last)
