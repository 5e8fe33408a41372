"""What one Envoy holds and what it must be sent next: the delta protocol as a state machine, without threads or sockets.

Level-triggered: it compares the desired resources with those Envoy confirmed and sends the difference, in dependency order:
clusters, then the rest, scopes last; removals the other way round. So a first start, a reconnection and a deployment are
one path. The publisher calls it under its lock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryRequest as Request
from envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryResponse as Response

from kapi.gateway.envoy.resources.names import CLUSTER, EXTENSION, LISTENER, SCOPE, SECRET
from kapi.gateway.envoy.stream.encode import Resource, unpoisoned

ORDER = (CLUSTER, SECRET, EXTENSION, LISTENER, SCOPE)
_UNKNOWN = "?"
"""Version of a resource that Envoy refused: whatever is wanted next differs from it."""

Desired = Mapping[str, Mapping[str, Resource]]

__all__ = ["ORDER", "DeltaStream", "Desired", "Request", "Response"]


@dataclass(frozen=True, slots=True)
class _Sent:
    nonce: str
    versions: dict[str, str]
    removed: tuple[str, ...]


@dataclass(slots=True)
class _Type:
    """The state of one resource type on one stream."""

    names: set[str] | None
    """What Envoy asked for; None means everything."""
    held: dict[str, str]
    """Confirmed versions by name."""
    in_flight: _Sent | None = None
    refused: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Name → (version, Envoy's sentence): not sent again until something else is wanted."""
    poisoned: set[str] = field(default_factory=set)
    """Scopes that shared a message with a refused one."""
    answered: bool = False
    one_by_one: bool = False


class DeltaStream:
    """One connected Envoy."""

    def __init__(self, desired: Desired) -> None:
        self._desired = desired
        self._types: dict[str, _Type] = {}
        self._nonces = 0

    def on_request(self, request: Request) -> list[Response]:
        """Take a subscription, a confirmation or a refusal; return what to send now."""
        state = self._types.get(request.type_url)
        names = set(request.resource_names_subscribe)
        if state is None:
            everything = not names or "*" in names
            state = _Type(None if everything else names, dict(request.initial_resource_versions))
            self._types[request.type_url] = state
        elif state.names is not None:
            state.names |= names
            state.names -= set(request.resource_names_unsubscribe)
            for name in (*names, *request.resource_names_unsubscribe):
                state.held.pop(name, None)
        if state.in_flight is not None and request.response_nonce == state.in_flight.nonce:
            sent, state.in_flight = state.in_flight, None
            if request.HasField("error_detail"):
                _refused(request.type_url, state, sent, request.error_detail.message)
            else:
                _confirmed(state, sent)
        return self.next_responses()

    def next_responses(self) -> list[Response]:
        """What can be sent now: at most one message of each type is under way."""
        return [response for type_url in ORDER if (response := self._next(type_url)) is not None]

    def holds(self, type_url: str, name: str) -> bool:
        """Whether Envoy confirmed what is wanted of this resource, or its absence."""
        state = self._types.get(type_url)
        wanted = self._desired[type_url].get(name)
        if state is None:
            return wanted is None
        return state.held.get(name) == (wanted.version if wanted else None)

    def refusal(self, type_url: str, name: str) -> str:
        """Envoy's sentence about what is wanted of this resource, or empty."""
        state, wanted = self._types.get(type_url), self._desired[type_url].get(name)
        if state is None or wanted is None:
            return ""
        version, sentence = state.refused.get(name, ("", ""))
        return sentence if version == wanted.version else ""

    def confirmed(self) -> int:
        """How many resources Envoy holds as confirmed."""
        return sum(
            version != _UNKNOWN for state in self._types.values() for version in state.held.values()
        )

    def _next(self, type_url: str) -> Response | None:
        state = self._types.get(type_url)
        if state is None or state.in_flight is not None:
            return None
        changed, removed = self._differences(type_url, state)
        if type_url == SCOPE and (changed or removed) and not self._settled(CLUSTER):
            return None
        if type_url == CLUSTER and not self._settled(SCOPE):
            removed = []
        if state.one_by_one or (type_url == SCOPE and state.answered):
            changed, removed = changed[:1], removed if not changed else []
        if not changed and not removed and (state.answered or state.held):
            state.answered = True
            return None
        missing = (
            []
            if state.names is None or state.answered
            else sorted(state.names - self._desired[type_url].keys())
        )
        return self._send(type_url, state, changed, [*removed, *missing])

    def _differences(self, type_url: str, state: _Type) -> tuple[list[Resource], list[str]]:
        desired = self._desired[type_url]
        wanted = (
            desired.values()
            if state.names is None
            else [desired[name] for name in sorted(state.names) if name in desired]
        )
        changed = [
            item
            for item in wanted
            if state.held.get(item.name) != item.version
            and state.refused.get(item.name, ("",))[0] != item.version
        ]
        return changed, sorted(name for name in state.held if name not in desired)

    def _settled(self, type_url: str) -> bool:
        """Nothing of this type is under way or still to be added, as far as Envoy has asked for it at all."""
        state = self._types.get(type_url)
        if state is None or state.in_flight is not None:
            return False
        changed, removed = self._differences(type_url, state)
        # Clusters wait for scopes to be gone, scopes for clusters to be there: only additions count for the latter.
        return not changed and (type_url == CLUSTER or not removed)

    def _send(
        self, type_url: str, state: _Type, changed: list[Resource], removed: list[str]
    ) -> Response:
        self._nonces += 1
        response = Response(type_url=type_url, nonce=str(self._nonces), removed_resources=removed)
        for item in changed:
            entry = response.resources.add(name=item.name, version=item.version)
            entry.resource.type_url = type_url
            entry.resource.value = unpoisoned(item) if item.name in state.poisoned else item.body
        state.in_flight = _Sent(
            response.nonce, {item.name: item.version for item in changed}, tuple(removed)
        )
        state.answered = True
        return response


def _confirmed(state: _Type, sent: _Sent) -> None:
    state.held |= sent.versions
    for name in sent.removed:
        state.held.pop(name, None)
    for name in (*sent.versions, *sent.removed):
        state.refused.pop(name, None)
        state.poisoned.discard(name)


def _refused(type_url: str, state: _Type, sent: _Sent, sentence: str) -> None:
    """One bad resource refuses its whole message: send the others again, alone, to find out which it was."""
    for name in sent.versions:
        state.held[name] = _UNKNOWN
        if type_url == SCOPE:
            state.poisoned.add(name)
    for name in sent.removed:
        state.held.pop(name, None)
    if len(sent.versions) > 1:
        state.one_by_one = True
    else:
        state.refused |= {name: (version, sentence) for name, version in sent.versions.items()}
