"""Header changes (apk-conf policies AddHeader, SetHeader, RemoveHeader): on the way to the backend and on the way back.

Done last of all: a backend's request and a caller's answer are what the conf says, whatever other policies did before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from kapi.apis.conf.model import ApiConf, OperationConf, PolicyConf
from kapi.policies.contract import EnvoyRoute, HttpFilter, Phase, Place, literal_header

name = "headers"
phase = Phase.TRANSFORM
filters: tuple[HttpFilter, ...] = ()

_ACTIONS: dict[str, Literal["add", "set", "remove"]] = {
    "AddHeader": "add",
    "SetHeader": "set",
    "RemoveHeader": "remove",
}
_APPEND = {"add": "APPEND_IF_EXISTS_OR_ADD", "set": "OVERWRITE_IF_EXISTS_OR_ADD"}


@dataclass(frozen=True, slots=True)
class HeaderChange:
    """Add a value, set the only one, or remove all. `header` is in lower case."""

    action: Literal["add", "set", "remove"]
    header: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class Headers:
    """What remains to be done when the changes of the file are made one after the other: removals first, then the values."""

    policy: ClassVar[str] = name
    request: tuple[HeaderChange, ...] = ()
    response: tuple[HeaderChange, ...] = ()


def compile(conf: ApiConf, operation: OperationConf) -> Headers | None:  # noqa: A001 - the verb of the policy contract
    """The changes of the operation, or of the API."""
    policies = conf.policies_of(operation)
    request, response = _changes(policies.request), _changes(policies.response)
    return Headers(request, response) if request or response else None


def _changes(policies: Sequence[PolicyConf]) -> tuple[HeaderChange, ...]:
    """A gateway removes before it adds, so what a later removal undoes is left out."""
    made: list[HeaderChange] = []
    for item in policies:
        if (action := _ACTIONS.get(item.name)) is None:
            continue
        change = HeaderChange(
            action,
            str(item.parameter("headerName")).lower(),
            item.parameter("headerValue", "") if action != "remove" else "",
        )
        if action != "add":
            made = [before for before in made if before.header != change.header]
        made.append(change)
    return tuple(sorted(made, key=lambda change: change.action != "remove"))


def envoy(node: Headers, place: Place) -> EnvoyRoute:  # noqa: ARG001 - the policy contract
    """Envoy's own header lists."""
    return EnvoyRoute(
        request_headers_to_add=_values(node.request),
        remove_request_headers=_removals(node.request),
        response_headers_to_add=_values(node.response),
        remove_response_headers=_removals(node.response),
    )


def _values(changes: Sequence[HeaderChange]) -> list[dict[str, object]]:
    return [
        literal_header(item.header, item.value, _APPEND[item.action])
        for item in changes
        if item.action != "remove"
    ]


def _removals(changes: Sequence[HeaderChange]) -> tuple[str, ...]:
    return tuple(item.header for item in changes if item.action == "remove")
