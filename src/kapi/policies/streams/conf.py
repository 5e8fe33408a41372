"""The apk-conf's `stream` of an operation, which is kapi's own: shape, checks, descriptions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

from kapi.apis import report as codes
from kapi.apis.conf.nodes import operation_nodes, text_at
from kapi.apis.conf.policy_part import ConfField, ConfPart, Flow
from kapi.apis.conf.shapes import FLAG, TEXT, ByField, Record, Shape, Whole
from kapi.apis.model.conf import ApiConf, Fields, OperationConf, PolicyConf
from kapi.apis.report import Mark, Report
from kapi.apis.yaml_positions import Mapping, key_mark

FIELD: Final = "stream"
CLOSE_FRAMES: Final = "closeFrames"
WEB_SOCKET: Final = "WebSocket"
EVENTS: Final = "ServerSentEvents"
LONG_POLLING: Final = "LongPolling"
_DAY: Final = 86400
_LONGEST: Final = 30 * _DAY

Kind = Literal["WebSocket", "ServerSentEvents", "LongPolling"]


ENDLESS: Final[dict[str, tuple[Flow, ...]]] = {
    WEB_SOCKET: ("request", "response"),
    EVENTS: ("response",),
    LONG_POLLING: (),
}
"""The flows whose messages have no end."""


def is_web_socket(operation: OperationConf) -> bool:
    """Whether the operation accepts the handshake of a WebSocket."""
    field = operation.field(FIELD)
    return isinstance(field, Fields) and field.get("type") == WEB_SOCKET


def _check(root: Mapping, report: Report) -> None:
    for operation, pointer in operation_nodes(root):
        stream = operation.entries.get(FIELD)
        if not isinstance(stream, Mapping):
            continue
        if text_at(stream, "type") == WEB_SOCKET and text_at(operation, "verb") not in {
            "GET",
            "",
        }:
            message = "the handshake of a WebSocket is a GET"
            place = key_mark(operation, FIELD, pointer)
            report.add(
                codes.COMBINATION, message, place, "Write verb: GET, or another type."
            )


def _check_interceptors(conf: ApiConf, report: Report) -> None:
    """Refuse interceptor services that get a body without an end: the call would wait for it."""
    found: dict[Mark, OperationConf] = {}
    for operation in conf.operations:
        for item in _endless(conf, operation):
            if any(map(item.parameter, ("bodyEnabled", "trailersEnabled"))):
                found.setdefault(item.mark, operation)
    for place, operation in found.items():
        message = (
            f"an Interceptor cannot get the body of {operation.verb} {operation.target}"
        )
        hint = (
            "It is a stream, which has no end: remove bodyEnabled and trailersEnabled."
        )
        report.add(codes.COMBINATION, message, place, hint)


def _endless(conf: ApiConf, operation: OperationConf) -> Iterator[PolicyConf]:
    """The interceptors of the flows of an operation whose messages have no end."""
    field = operation.field(FIELD)
    if not isinstance(field, Fields):
        return
    for flow in ENDLESS[field.get("type")]:
        for policies in (conf.policies, operation.policies):
            listed = policies.response
            if flow == "request":
                listed = policies.request
            yield from (item for item in listed if item.name == "Interceptor")


def _described() -> dict[str, str]:
    """The descriptions by the ends of paths, which name the type."""
    first, *options = _DESCRIPTIONS
    kinds = (WEB_SOCKET, EVENTS, LONG_POLLING)
    made = {
        f"stream.{kind}.{name}": _DESCRIPTIONS[name]
        for kind in kinds
        for name in options
    }
    return made | {first: _DESCRIPTIONS[first], "stream.type": _DESCRIPTIONS["type"]}


_TIMES: Final[dict[str, Shape]] = {
    "type": TEXT,
    "idleTimeout": Whole(1, _DAY),
    "maxDuration": Whole(1, _LONGEST),
}
_WEB_SOCKET: Final[dict[str, Shape]] = {
    **_TIMES,
    "messagesPerSecond": Whole(1, 1_000_000),
    CLOSE_FRAMES: FLAG,
}
_DESCRIPTIONS: Final = {
    "operations.stream": "Calls of this operation last long. Only in kapi.",
    "type": "WebSocket, ServerSentEvents or LongPolling.",
    "idleTimeout": "Seconds without a byte in either direction. 300 when left out.",
    "messagesPerSecond": "Frames that a client may send in a second; no limit when left out.",
    CLOSE_FRAMES: "true ends a WebSocket with a Close frame that says why.",
    "maxDuration": "Seconds that a call may last. Left out: no limit; 120 for LongPolling.",
}
conf_part = ConfPart(
    fields=(
        ConfField(
            FIELD,
            places=("operation",),
            shape=ByField(
                "type",
                {
                    WEB_SOCKET: Record(_WEB_SOCKET, ("type",)),
                    EVENTS: Record(_TIMES, ("type",)),
                    LONG_POLLING: Record(
                        {"type": TEXT, "maxDuration": Whole(1, _DAY)}, ("type",)
                    ),
                },
            ),
            descriptions=_described(),
        ),
    ),
    check=_check,
    check_conf=_check_interceptors,
)
