"""What is deployed, in memory: where each API stands, its IR while it is warm, and who uses which backend.

Kept by the deployer under its lock. The store is the truth; all here can be made again from it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from kapi.apis.ir import Api
from kapi.gateway.envoy.resources.names import NOTHING, Names
from kapi.gateway.envoy.resources.render import segments
from kapi.gateway.envoy.resources.routes.paths import first_segment
from kapi.store import StoredApi

_WARM = 512
"""IRs kept; the others are compiled again from the store when their neighbour is deployed."""


class DeployedApis:
    """An index of the deployed APIs."""

    def __init__(self, compile_stored: Callable[[StoredApi], Api | None]) -> None:
        """`compile_stored` makes the IR of a stored API, or None when that is no longer possible."""
        self._compile_stored = compile_stored
        self._apis: dict[str, StoredApi] = {}
        self._segments: dict[str, frozenset[str]] = {}
        self._warm: OrderedDict[str, Api] = OrderedDict()
        self._names: dict[str, Names] = {}
        self._broken: set[str] = set()

    def all(self) -> tuple[StoredApi, ...]:
        """Every deployed API."""
        return tuple(self._apis.values())

    def get(self, api_id: str) -> StoredApi | None:
        """One, or None."""
        return self._apis.get(api_id)

    def segments_of(self, api_id: str) -> frozenset[str]:
        """Where it answers now."""
        return self._segments.get(api_id, frozenset())

    def put(self, stored: StoredApi, api: Api | None = None) -> None:
        """Remember an API; without its IR when that is not at hand."""
        self._apis[stored.id] = stored
        self._broken.discard(stored.id)
        if api is not None:
            self._keep_warm(api)
        self._segments[stored.id] = (
            segments(api) if api is not None else self._segments_of_stored(stored)
        )

    def remove(self, api_id: str) -> None:
        """Forget an API."""
        self._apis.pop(api_id, None)
        self._segments.pop(api_id, None)
        self._warm.pop(api_id, None)

    def irs(self, segment: str, *, without: str = "") -> list[Api]:
        """The IRs of the APIs below a segment, except the API with the id `without`.

        An API that does not compile is left out.
        """
        found = []
        for api_id, where in self._segments.items():
            if segment not in where or api_id == without:
                continue
            api = self._ir(api_id)
            if api is not None:
                found.append(api)
        return found

    def use(self, segment: str, names: Names) -> None:
        """Say which backends and secrets the routes of a segment name."""
        if names == NOTHING:
            self._names.pop(segment, None)
        else:
            self._names[segment] = names

    def segments_with(self, secret: str) -> tuple[str, ...]:
        """Segments whose routes or backends are made with a secret."""
        return tuple(segment for segment, names in self._names.items() if secret in names.secrets)

    @property
    def names(self) -> Mapping[str, Names]:
        """Segment → what its scope names. A view of the current state."""
        return MappingProxyType(self._names)

    def all_segments(self) -> Iterable[str]:
        """Every segment with an API."""
        return sorted(frozenset().union(*self._segments.values()))

    def _segments_of_stored(self, stored: StoredApi) -> frozenset[str]:
        if stored.default_base_path is not None and not stored.default_base_path.strip("/"):
            # At the root the segments are those of the operations.
            api = self._ir(stored.id)
            return frozenset() if api is None else segments(api)
        return frozenset(map(first_segment, stored.base_paths))

    def _ir(self, api_id: str) -> Api | None:
        if api_id in self._warm:
            self._warm.move_to_end(api_id)
            return self._warm[api_id]
        api = None if api_id in self._broken else self._compile_stored(self._apis[api_id])
        if api is None:
            self._broken.add(api_id)
        else:
            self._keep_warm(api)
        return api

    def _keep_warm(self, api: Api) -> None:
        self._warm[api.id] = api
        self._warm.move_to_end(api.id)
        while len(self._warm) > _WARM:
            self._warm.popitem(last=False)
