"""Long-lived calls (apk-conf, kapi's own `operations[].stream`): WebSocket, events, long polling.

A WebSocket (RFC 6455) is upgraded only on operations that say so; elsewhere the gateway answers
403. The handshake is an ordinary call: authentication, scopes, subscriptions and rate limits are
checked there. A part of the admission module knows the open calls and ends those whose credential
has expired or was revoked, whose application has no subscription any more, or whose operation was
removed or changed (`rules.py`). Times are in seconds.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

from kapi.apis.conf.policy_part import Flow
from kapi.apis.ir import Operation
from kapi.apis.model.conf import ApiConf, Fields, OperationConf
from kapi.dataclass import dataclass
from kapi.policies.admission import ADMIT, ADMIT_BY_HEADERS, HEADERS_MODULE, ON, part
from kapi.policies.contract import EnvoyRoute, HttpFilter, Phase, Place
from kapi.policies.kubernetes import KubernetesPlace, KubernetesRoute, not_possible
from kapi.policies.streams import conf as in_conf
from kapi.policies.streams.conf import (
    CLOSE_FRAMES,
    FIELD,
    LONG_POLLING,
    WEB_SOCKET,
    Kind,
)
from kapi.policies.streams.rules import rules
from kapi.typed import of_kind

name = "stream"
phase = Phase.STREAM
FILTER = "kapi.stream"
"""Ends a call whose caller may not call any more; also the name of its route metadata."""
MESSAGES_FILTER = "kapi.messages"
"""The same for WebSockets, whose frames it reads; also the name of the route metadata for
`wasm/admission/src/cut.rs`."""
_SWITCHES: Final[Any] = {"disabled": True, "on_demand": True, "counts": True}
filters = (
    ADMIT_BY_HEADERS,
    HttpFilter(phase, FILTER, part("stream", HEADERS_MODULE), **_SWITCHES),
    HttpFilter(phase, MESSAGES_FILTER, part("stream"), **_SWITCHES),
)
conf_part = in_conf.conf_part

IDLE_SECONDS: Final = 300
"""When the conf says nothing."""
POLL_SECONDS: Final = 120
"""How long an answer of long polling may take when the conf says nothing."""
_READS_BODIES: Final = frozenset({"graphql", "mcp", "mcp_tools"})
"""Policies whose operations are named in bodies."""
_AFTER: Final = 5
"""Seconds by which the idle limit of long polling is longer, so that the caller gets a 504."""


@dataclass(frozen=True, slots=True)
class Stream:
    """How long the calls of an operation may last. A time of 0 sets no limit."""

    policy: ClassVar[str] = name
    kind: Kind
    idle_timeout: int
    """Without a byte in either direction."""
    max_duration: int = 0
    messages_per_second: int = 0
    """Frames that the client of a WebSocket may send."""
    close_frames: bool = False
    """Whether a WebSocket ends with a Close frame, for which its frames are read."""


def endless_flows(operation: Operation) -> tuple[Flow, ...]:
    """The flows of an operation whose messages have no end, so that no filter may wait for it."""
    for node in of_kind(operation.policies, Stream):
        return in_conf.ENDLESS[node.kind]
    return ()


def compile(conf: ApiConf, operation: OperationConf) -> Stream | None:  # noqa: ARG001
    """Where the operation has the field."""
    field = operation.field(FIELD)
    if not isinstance(field, Fields):
        return None
    kind: Kind = field.get("type")
    if kind == LONG_POLLING:
        longest = field.get("maxDuration", POLL_SECONDS)
        return Stream(kind, longest + _AFTER, longest)
    return Stream(
        kind,
        field.get("idleTimeout", IDLE_SECONDS),
        field.get("maxDuration", 0),
        field.get("messagesPerSecond", 0),
        field.get(CLOSE_FRAMES, default=False),
    )


def envoy(node: Stream, place: Place) -> EnvoyRoute:
    """Timeouts in place of those of an ordinary call, and the upgrade.

    Envoy's response timeout does not apply to an upgraded call, so it remains for ordinary ones.
    """
    action: dict[str, Any] = {"idle_timeout": f"{node.idle_timeout}s"}
    match node.kind:
        case "LongPolling":
            return EnvoyRoute(action={"timeout": f"{node.max_duration}s", **action})
        case "WebSocket":
            action["upgrade_configs"] = [{"upgrade_type": "websocket"}]
        case _:
            action["timeout"] = "0s"
    if node.max_duration:
        action["max_stream_duration"] = {"max_stream_duration": f"{node.max_duration}s"}
    messages = _messages(node, place)
    metadata = ended_with_caller(place)
    switched = FILTER
    if messages:
        switched, metadata = MESSAGES_FILTER, {**metadata, MESSAGES_FILTER: messages}
    return EnvoyRoute(
        {switched: ON},
        action=action,
        metadata=metadata,
        replaces=_admission(node, place),
    )


def ended_with_caller(place: Place) -> dict[str, dict[str, str]]:
    """The metadata of a route whose calls end when others may call it; its filter is `FILTER`."""
    return {FILTER: {"rules": rules(place)}}


def _messages(node: Stream, place: Place) -> dict[str, str]:
    """How the frames of a WebSocket are read; empty if they are not."""
    if node.kind != WEB_SOCKET:
        return {}
    limit = ""
    if node.messages_per_second:
        limit = str(node.messages_per_second)
    if any(item.policy == "graphql" for item in place.operation.policies):
        return {"messages": limit, "protocol": "graphql"}
    if limit or node.close_frames:
        return {"messages": limit}
    return {}


def kubernetes(node: Stream, at: KubernetesPlace) -> KubernetesRoute:  # noqa: ARG001
    """The same times; Envoy Gateway upgrades WebSockets on every route."""
    if node.messages_per_second:
        what = "a limit of the messages of a WebSocket"
        return not_possible(
            what, "Remove messagesPerSecond, or deploy the API to kapi's gateway."
        )
    times = {"streamIdleTimeout": f"{node.idle_timeout}s"}
    if node.kind == LONG_POLLING:
        times["requestTimeout"] = f"{node.max_duration}s"
        return KubernetesRoute(traffic={"timeout": {"http": times}})
    if node.kind != WEB_SOCKET:
        times["requestTimeout"] = "0s"
    if node.max_duration:
        times["maxStreamDuration"] = f"{node.max_duration}s"
    return KubernetesRoute(traffic={"timeout": {"http": times}})


def _admission(node: Stream, place: Place) -> dict[str, str]:
    """A WebSocket is admitted by its handshake alone, unless bodies name operations."""
    reads = any(item.policy in _READS_BODIES for item in place.operation.policies)
    if reads or node.kind != WEB_SOCKET:
        return {}
    return {ADMIT.name: ADMIT_BY_HEADERS.name}
