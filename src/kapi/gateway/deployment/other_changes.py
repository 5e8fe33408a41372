"""What other nodes stored: which APIs changed, and which segments Envoy of this node lacks.

The deployer uses it under its lock. A platform on SQLite has no other nodes, and finds nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

from kapi.errors import GatewayUnavailable
from kapi.gateway.deployment.deployed_apis import DeployedApis
from kapi.store import Store, StoredApi


class OtherChanges:
    """The changes of deployments that this node knows and has."""

    def __init__(self, store: Store, apis: DeployedApis) -> None:
        self._store = store
        self._apis = apis
        self.known = 0
        """The newest change that `apis` contains."""
        self.confirmed = 0
        """The newest change that Envoy has, with all before it."""
        self._missing: set[str] = set()
        """Segments that Envoy does not have as they are stored."""
        self._unreadable: dict[str, frozenset[str]] = {}
        """Segments of APIs that a newer version deployed and this one cannot compile, by id.

        Envoy keeps what it has below them.
        """

    def newest(self) -> int:
        """The newest change in the store: `begin` or `read` it once its secrets are known."""
        return self._store.change()

    def begin(self, newest: int) -> None:
        """Read all APIs, at the start of the process. Envoy gets them before it is asked."""
        self.known = self.confirmed = newest
        for api in self._store.apis():
            self._apis.put(api)

    def read(self, newest: int) -> None:
        """Read what was stored since."""
        changed = self._store.apis_since(self.known)
        gone = self._gone(changed, newest)
        for api_id in (*gone, *(api.id for api in changed)):
            self._missing |= self._apis.segments_of(api_id)
            self._unreadable.pop(api_id, None)
        for api_id in gone:
            self._apis.remove(api_id)
        for api in changed:
            self._apis.put(api)
            here = self._apis.segments_of(api.id)
            self._missing |= here
            if not self._apis.compiles(api.id):
                self._unreadable[api.id] = here
        self.known = newest
        self._settle()

    def _gone(self, changed: Iterable[StoredApi], newest: int) -> list[str]:
        """The known APIs that are not stored any more."""
        known = frozenset(api.id for api in self._apis.all())
        stored = self._store.api_ids_or(known.union(api.id for api in changed), newest)
        return sorted(known - stored)

    def add(self, segments: Iterable[str]) -> None:
        """Envoy does not have these segments as they are stored."""
        self._missing.update(segments)

    def due(self) -> frozenset[str]:
        """The segments that Envoy lacks and that can be rendered."""
        return frozenset(self._missing).difference(*self._unreadable.values())

    def published(self, segments: Iterable[str]) -> None:
        """Envoy has these segments."""
        self._missing.difference_update(segments)
        self._settle()

    def made(self) -> int:
        """Note a change that this node has stored and Envoy has; its number."""
        self.known += 1
        self._settle()
        return self.known

    def refuse_unreadable(self, segments: Iterable[str], *, api_id: str) -> None:
        """Raise GatewayUnavailable for a segment with an API that this version cannot read.

        The API with this id may be replaced or removed.
        """
        for other, where in self._unreadable.items():
            if other != api_id and not where.isdisjoint(segments):
                raise GatewayUnavailable(
                    f"A newer version has deployed the API {other} below the same path segment,"
                    " and this node cannot read it: ask another node, or upgrade this one."
                )

    def forget(self, api_id: str) -> None:
        """Note that this node has replaced or removed an API."""
        self._unreadable.pop(api_id, None)

    def _settle(self) -> None:
        if not self._missing:
            self.confirmed = self.known
