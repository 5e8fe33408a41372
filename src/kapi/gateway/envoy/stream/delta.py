"""The delta xDS protocol with one Envoy as a state machine, without threads or sockets.

It is level-triggered: it compares the desired resources with those that Envoy confirmed and sends
the difference, in dependency order: clusters, then the rest, scopes last; removals the other way
round. So a first start, a reconnection and a deployment take the same path. The publisher calls it
under its lock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from weakref import WeakSet

from envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryRequest as Request
from envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryResponse as Response

from kapi.dataclass import dataclass
from kapi.gateway.envoy.resources.names import (
    CLUSTER,
    EXTENSION,
    LISTENER,
    SCOPE,
    SECRET,
)
from kapi.gateway.envoy.resources.resource import Resource

ORDER = (CLUSTER, SECRET, EXTENSION, LISTENER, SCOPE)
_UNKNOWN = "?"
"""Version of a resource that Envoy rejected: it differs from any desired version."""


class Wanted:
    """The desired resources of one type, by name."""

    def __init__(self) -> None:
        self.items: dict[str, Resource] = {}
        self.open: WeakSet[_Open] = WeakSet()
        """Of each stream: the names to compare with what its Envoy holds. Others are equal."""

    def put(self, item: Resource) -> None:
        """Add or replace one."""
        self.items[item.name] = item
        self._compare(item.name)

    def drop(self, name: str) -> None:
        """Remove one, if it is there."""
        self.items.pop(name, None)
        self._compare(name)

    def clear(self) -> None:
        """Remove all resources of the stream."""
        for name in tuple(self.items):
            self.drop(name)

    def version(self, name: str) -> str | None:
        """The desired version of a resource, or None."""
        found: str | None = getattr(self.items.get(name), "version", None)
        return found

    def _compare(self, name: str) -> None:
        for names in self.open:
            names.add((name,))


Desired = Mapping[str, Wanted]

__all__ = ["ORDER", "DeltaStream", "Desired", "Request", "Response", "Wanted"]


class _Open:
    """Names of one type on one stream that are to be compared, in the order in which they came.

    To compare all of them at each step takes milliseconds with thousands of APIs.
    """

    def __init__(self) -> None:
        self.names: dict[str, None] = {}

    def add(self, names: Iterable[str]) -> None:
        self.names.update(dict.fromkeys(names))

    def remove(self, names: Iterable[str]) -> None:
        for name in names:
            del self.names[name]


@dataclass(frozen=True, slots=True)
class _Sent:
    nonce: str
    versions: dict[str, str]
    removed: tuple[str, ...]


@dataclass(slots=True)
class _TypeState:
    """The state of one resource type on one stream."""

    names: set[str] | None
    """What Envoy asked for; None means everything."""
    held: dict[str, str]
    """Confirmed versions by name."""
    in_flight: _Sent | None = None
    rejected: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Name → (version, Envoy's sentence): not sent again until another version is desired."""
    poisoned: set[str] = field(default_factory=set)
    """Scopes that were in one message with a rejected one."""
    answered: bool = False
    one_by_one: bool = False
    open: _Open = field(default_factory=_Open)

    def lacks(self, item: Resource) -> bool:
        """Whether Envoy asked for it, and neither holds this version nor rejected it."""
        if self.names is not None and item.name not in self.names:
            return False
        if self.held.get(item.name) == item.version:
            return False
        version, _ = self.rejected.get(item.name, ("", ""))
        return version != item.version


class DeltaStream:
    """The delta stream of one connected Envoy."""

    def __init__(self, desired: Desired) -> None:
        self._desired = desired
        self._types: dict[str, _TypeState] = {}
        self._nonces = 0

    def on_request(self, request: Request) -> list[Response]:
        """Process a subscription, an ACK or a NACK; return what to send next."""
        state = self._subscribed(request)
        sent = state.in_flight
        if sent is not None and request.response_nonce == sent.nonce:
            state.in_flight = None
            if request.HasField("error_detail"):
                _rejected(request.type_url, state, sent, request.error_detail.message)
            else:
                _confirmed(state, sent)
        return self.next_responses()

    def _subscribed(self, request: Request) -> _TypeState:
        """The state of the request's type, after its subscriptions."""
        state = self._types.get(request.type_url)
        names = set(request.resource_names_subscribe)
        if state is None:
            wildcard = not names or "*" in names
            held = dict(request.initial_resource_versions)
            state = _TypeState(None if wildcard else names, held)
            self._types[request.type_url] = state
            desired = self._desired[request.type_url]
            desired.open.add(state.open)
            state.open.add(
                (*sorted(names & desired.items.keys()), *desired.items, *held)
            )
            return state
        if state.names is not None:
            state.names |= names
            state.names -= set(request.resource_names_unsubscribe)
            for name in (*names, *request.resource_names_unsubscribe):
                state.held.pop(name, None)
            state.open.add(sorted(names))
        return state

    def next_responses(self) -> list[Response]:
        """What can be sent now: at most one message of each type is in flight."""
        responses = list(map(self._next, ORDER))
        found = []
        for response in responses:
            if response is not None:
                found.append(response)
        return found

    def holds(self, type_url: str, name: str) -> bool:
        """Whether Envoy confirmed the desired version of this resource, or its absence."""
        state = self._types.get(type_url)
        wanted = self._desired[type_url].version(name)
        if state is None:
            return wanted is None
        return state.held.get(name) == wanted

    def live(self) -> bool:
        """Whether Envoy has subscribed to what it serves from, and has taken or rejected it."""
        served = (CLUSTER, LISTENER, SCOPE)
        return all(map(self._settled, dict.fromkeys((*served, *self._types))))

    def rejection(self, type_url: str, name: str) -> str:
        """Envoy's sentence if it rejected the desired version of this resource; otherwise empty."""
        state, wanted = self._types.get(type_url), self._desired[type_url].version(name)
        if state is None or wanted is None:
            return ""
        version, sentence = state.rejected.get(name, ("", ""))
        if version == wanted:
            return sentence
        return ""

    def confirmed(self) -> int:
        """How many resources Envoy holds as confirmed."""
        return sum(
            version != _UNKNOWN
            for state in self._types.values()
            for version in state.held.values()
        )

    def _next(self, type_url: str) -> Response | None:
        state = self._ready(type_url)
        if state is None:
            return None
        alone = _one_at_a_time(type_url, state)
        changed, removed = self._differences(type_url, state, first=alone)
        if type_url == SCOPE and self._waits_for_clusters(changed, removed):
            return None
        if type_url == CLUSTER and not self._settled(SCOPE):
            removed = []
        if alone and changed:
            removed = []
        nothing_new = not changed and not removed
        if nothing_new and (state.answered or state.held):
            state.answered = True
            return None
        return self._send(
            type_url, state, changed, [*removed, *self._missing(type_url, state)]
        )

    def _ready(self, type_url: str) -> _TypeState | None:
        """The state of a type that Envoy has subscribed to, if no message of it is in flight."""
        state = self._types.get(type_url)
        if state is None or state.in_flight is not None:
            return None
        return state

    def _waits_for_clusters(self, changed: list[Resource], removed: list[str]) -> bool:
        """Whether scopes differ and clusters that they may name are not there yet."""
        return bool(changed or removed) and not self._settled(CLUSTER)

    def _missing(self, type_url: str, state: _TypeState) -> list[str]:
        """Names that Envoy asked for and that do not exist; the first response says so."""
        if state.names is None or state.answered:
            return []
        return sorted(state.names - self._desired[type_url].items.keys())

    def _differences(
        self, type_url: str, state: _TypeState, *, first: bool
    ) -> tuple[list[Resource], list[str]]:
        """Resources to send, of which only the first may be needed, and names to remove."""
        desired, changed, removed, equal = self._desired[type_url].items, [], [], []
        for name in state.open.names:
            item = desired.get(name)
            if item is None and name in state.held:
                removed.append(name)
            elif item is None or not state.lacks(item):
                equal.append(name)
            else:
                changed.append(item)
                if first:
                    break
        state.open.remove(equal)
        return changed, sorted(removed)

    def _settled(self, type_url: str) -> bool:
        """Nothing of this type is in flight or still to be added; Envoy has subscribed to it."""
        state = self._ready(type_url)
        if state is None:
            return False
        changed, removed = self._differences(type_url, state, first=True)
        # Clusters wait until scopes are removed, scopes until clusters are added.
        return not changed and (type_url == CLUSTER or not removed)

    def _send(
        self,
        type_url: str,
        state: _TypeState,
        changed: list[Resource],
        removed: list[str],
    ) -> Response:
        self._nonces += 1
        response = Response(
            type_url=type_url, nonce=str(self._nonces), removed_resources=removed
        )
        for item in changed:
            entry = response.resources.add(name=item.name, version=item.version)
            entry.resource.type_url = type_url
            entry.resource.value = item.body
            if item.name in state.poisoned:
                entry.resource.value = _unpoisoned(item)
        state.in_flight = _Sent(
            response.nonce,
            {item.name: item.version for item in changed},
            tuple(removed),
        )
        state.answered = True
        return response


def _one_at_a_time(type_url: str, state: _TypeState) -> bool:
    """A rejected scope damages those in the same message, so each has a message of its own."""
    return state.one_by_one or (type_url == SCOPE and state.answered)


def _confirmed(state: _TypeState, sent: _Sent) -> None:
    state.held |= sent.versions
    for name in sent.removed:
        state.held.pop(name, None)
    for name in (*sent.versions, *sent.removed):
        state.rejected.pop(name, None)
        state.poisoned.discard(name)


def _rejected(type_url: str, state: _TypeState, sent: _Sent, sentence: str) -> None:
    """One bad resource rejects its whole message, so each is sent again in its own."""
    state.open.add((*sent.versions, *sent.removed))
    for name in sent.versions:
        state.held[name] = _UNKNOWN
        if type_url == SCOPE:
            state.poisoned.add(name)
    for name in sent.removed:
        state.held.pop(name, None)
    if len(sent.versions) > 1:
        state.one_by_one = True
    else:
        state.rejected |= {
            name: (version, sentence) for name, version in sent.versions.items()
        }


def _unpoisoned(item: Resource) -> bytes:
    # Imports Envoy's messages: not before one is rejected.
    from kapi.gateway.envoy.stream.encode import unpoisoned

    return unpoisoned(item)
