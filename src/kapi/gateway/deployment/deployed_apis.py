"""The deployed APIs in memory: segments and backends of each, and the IRs used last.

The deployer changes it under its lock. The store is the source of truth; everything here can be
derived from it again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from kapi.apis.ir import Api
from kapi.apis.model.rules import host_label
from kapi.gateway.envoy.resources.names import NOTHING, Names
from kapi.gateway.envoy.resources.render import segments
from kapi.gateway.envoy.resources.routes.paths import first_segment
from kapi.store import StoredApi

_WARM = 512
"""IRs kept. Others are compiled again from the store when an API of their segment is deployed."""


class DeployedApis:
    """An index of the deployed APIs."""

    def __init__(
        self,
        compile_stored: Callable[[StoredApi], Api | None],
        *,
        version_routing: bool,
    ) -> None:
        """`compile_stored` returns the IR of a stored API, or None if it no longer compiles."""
        self._version_routing = version_routing
        self._compile_stored = compile_stored
        self._apis: dict[str, StoredApi] = {}
        self._segments: dict[str, frozenset[str]] = {}
        self._here: dict[str, dict[str, None]] = {}
        """Segment → the ids of its APIs, in the order in which they came."""
        self._placed: dict[tuple[str, str], set[str]] = {}
        """Host and base path, and host and organization → ids."""
        self._organizations: dict[str, set[str]] = {}
        """Host → organizations that have or had an API there."""
        self._warm: OrderedDict[str, Api] = OrderedDict()
        self._names: dict[str, Names] = {}
        self._broken: set[str] = set()

    def all(self) -> tuple[StoredApi, ...]:
        """All deployed APIs."""
        return tuple(self._apis.values())

    def get(self, api_id: str) -> StoredApi | None:
        """An API by its id."""
        return self._apis.get(api_id)

    def segments(self, api: Api) -> frozenset[str]:
        """The segments that an API answers below, or may if it is the newest version."""
        return segments(api, version_routing=self._version_routing)

    def segments_of(self, api_id: str) -> frozenset[str]:
        """The segments that an API answers below."""
        return self._segments.get(api_id, frozenset())

    def put(self, stored: StoredApi, api: Api | None = None) -> None:
        """Add or replace an API, with its IR if that is known."""
        self._displace(stored.id)
        self._apis[stored.id] = stored
        self._broken.discard(stored.id)
        for place in _places(stored):
            self._placed.setdefault(place, set()).add(stored.id)
        self._organizations.setdefault(_host(stored), set()).add(stored.organization)
        if api is None:
            self._warm.pop(stored.id, None)
            self._answer_below(stored.id, self._segments_of_stored(stored))
        else:
            self._keep_warm(api)
            self._answer_below(stored.id, self.segments(api))

    def rivals(self, new: Api) -> tuple[StoredApi, ...]:
        """The APIs that may be in the way of one: by their id, base paths, or organization.

        May be called without the deployer's lock.
        """
        host = host_label(new.organization, new.environment)
        found = {new.id}
        for path in new.base_paths:
            found |= self._placed.get((host, path), set())
        for organization in self._organizations.get(host, set()) - {new.organization}:
            found |= self._placed.get((host, organization), set())
        return tuple(filter(None, map(self._apis.get, sorted(found))))

    def compiles(self, api_id: str) -> bool:
        """Whether this version can compile an API."""
        return self._ir(api_id) is not None

    def remove(self, api_id: str) -> None:
        """Remove an API."""
        self._displace(api_id)
        self._answer_below(api_id, frozenset())
        self._apis.pop(api_id, None)
        self._segments.pop(api_id, None)
        self._warm.pop(api_id, None)

    def _displace(self, api_id: str) -> None:
        stored = self._apis.get(api_id)
        if stored is None:
            return
        for place in _places(stored):
            left = self._placed.get(place, set())
            left.discard(api_id)
            if not left:
                self._placed.pop(place, None)

    def _answer_below(self, api_id: str, after: frozenset[str]) -> None:
        before = self.segments_of(api_id)
        for segment in before - after:
            self._here[segment].pop(api_id, None)
            if not self._here[segment]:
                del self._here[segment]
        for segment in after:
            self._here.setdefault(segment, {})[api_id] = None
        self._segments[api_id] = after

    def irs(self, segment: str, *, without: str = "") -> list[Api]:
        """The IRs of the APIs below a segment, except the API with the id `without`.

        An API that does not compile is left out.
        """
        found = []
        for api_id in tuple(self._here.get(segment, ())):
            if api_id == without:
                continue
            api = self._ir(api_id)
            if api is not None:
                found.append(api)
        return found

    def use(self, segment: str, names: Names) -> None:
        """Set which backends and secrets the scope of a segment names."""
        if names == NOTHING:
            self._names.pop(segment, None)
        else:
            self._names[segment] = names

    def segments_with(self, secret: str) -> tuple[str, ...]:
        """Segments whose routes or backends are rendered with a secret."""
        return tuple(
            segment for segment, names in self._names.items() if secret in names.secrets
        )

    @property
    def names(self) -> Mapping[str, Names]:
        """Segment → what its scope names. A view of the current state."""
        return MappingProxyType(self._names)

    def all_segments(self) -> Iterable[str]:
        """Every segment with an API."""
        return sorted(frozenset().union(*self._segments.values()))

    def _segments_of_stored(self, stored: StoredApi) -> frozenset[str]:
        at_root = (
            stored.default_base_path is not None
            and not stored.default_base_path.strip("/")
        )
        if at_root or not stored.base_path.endswith(f"/{stored.version}"):
            # The first segment of a request is not that of the base path.
            api = self._ir(stored.id)
            return frozenset() if api is None else self.segments(api)
        return frozenset(map(first_segment, stored.base_paths))

    def _ir(self, api_id: str) -> Api | None:
        if api_id in self._warm:
            self._warm.move_to_end(api_id)
            return self._warm[api_id]
        api = (
            None if api_id in self._broken else self._compile_stored(self._apis[api_id])
        )
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


def _host(stored: StoredApi) -> str:
    return host_label(stored.organization, stored.environment)


def _places(stored: StoredApi) -> tuple[tuple[str, str], ...]:
    """Host and base path of an API, which begins with a slash, and host and organization."""
    host = _host(stored)
    return ((host, stored.organization), *((host, path) for path in stored.base_paths))
