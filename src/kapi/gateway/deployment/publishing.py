"""Publish a change of deployed APIs, or the state before it. For `deployer.py`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from kapi.errors import GatewayError, GatewayLost, GatewayRejected
from kapi.gateway.deployment.change import Change, Key
from kapi.gateway.envoy.resources.resource import Resource

_LOG = logging.getLogger("kapi.gateway")


class ResourcePublisher(Protocol):
    """The part of the configuration stream that the deployer uses; see `envoy.stream.server`."""

    def set_initial(self, resources: Iterable[Resource]) -> None:
        """Replace the desired state by these resources."""

    def publish(self, changed: Sequence[Resource], removed: Sequence[Key] = ()) -> None:
        """Return when Envoy confirmed; raise GatewayError with nothing changed."""

    def wanted(self, keys: Iterable[Key]) -> dict[Key, Resource | None]:
        """The desired state of these resources; None for those that must not exist."""


def publish_change(
    publisher: ResourcePublisher, change: Change, check: Callable[[], None]
) -> None:
    """Publish; if Envoy ends meanwhile, once more after `check`.

    `check` lets a process of its own load the change, and raises GatewayError with the reason when
    it cannot. Then the change is what ended Envoy, and must not end the next one. Raises
    GatewayError with nothing changed.
    """
    try:
        publisher.publish(change.changed, change.removed)
    except GatewayRejected:
        check()
        raise
    except GatewayLost:
        check()
        publisher.publish(change.changed, change.removed)


def publish_previous(
    publisher: ResourcePublisher, before: Mapping[Key, Resource | None]
) -> None:
    """Publish the state before a change that was not stored."""
    changed = [item for item in before.values() if item is not None]
    removed = [key for key, item in before.items() if item is None]
    try:
        publisher.publish(changed, removed)
    except GatewayError as error:
        _LOG.error("could not publish the previous state again: %s", error.detail)
