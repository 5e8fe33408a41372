"""Ends the open calls of operations that were removed, or that others may call now.

Each route whose calls last carries a name of its rules (`policies/streams/rules.py`). A name that a
published configuration no longer has is told to Envoy, as revoked credentials are. Used by the
deployer in place of the configuration stream.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from kapi.gateway.deployment.change import Key
from kapi.gateway.deployment.publishing import ResourcePublisher
from kapi.gateway.envoy.resources.resource import Resource
from kapi.policies.streams.rules import PREFIX

_NAMES: Final = re.compile(re.escape(PREFIX.encode()) + rb"[0-9a-f]{32}")


class StreamEndingPublisher:
    """Publishes, and tells which rules are gone."""

    def __init__(
        self, publisher: ResourcePublisher, ended: Callable[[frozenset[str]], None]
    ) -> None:
        """`ended` gets the names of rules that no route has any more; it returns at once."""
        self._publisher = publisher
        self._ended = ended
        self.set_initial = publisher.set_initial
        self.wanted = publisher.wanted

    def publish(self, changed: Sequence[Resource], removed: Sequence[Key] = ()) -> None:
        """Publish; then the calls that were let in by rules that are gone end.

        Raises GatewayError with nothing changed.
        """
        keys = [(item.type_url, item.name) for item in changed]
        before = self._publisher.wanted((*keys, *removed))
        self._publisher.publish(changed, removed)
        gone = _names(before.values()) - _names(changed)
        if gone:
            self._ended(gone)


def _names(resources: Iterable[Resource | None]) -> frozenset[str]:
    found = set()
    for item in resources:
        if item is not None:
            found.update(_NAMES.findall(item.body))
    return frozenset(name.decode() for name in found)
