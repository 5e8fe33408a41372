"""Changes of request and response headers (apk-conf AddHeader, SetHeader, RemoveHeader).

Done last of all: a backend's request and a caller's answer are what the conf says, whatever other
policies did before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from typing import ClassVar, Final, Literal

from kapi.apis import report as codes
from kapi.apis.conf.nodes import check_text
from kapi.apis.conf.policy_part import ConfPart, ListedPolicy
from kapi.apis.conf.shapes import Record, Text
from kapi.apis.header_rules import header_fault, header_value_fault
from kapi.apis.model.conf import ApiConf, OperationConf, PolicyConf
from kapi.apis.report import Report
from kapi.apis.yaml_positions import Mapping, mark
from kapi.dataclass import dataclass
from kapi.policies.contract import EnvoyRoute, HttpFilter, Phase, Place, literal_header
from kapi.policies.kubernetes import (
    HeaderChanges,
    KubernetesPlace,
    KubernetesRoute,
    NotPossible,
)

name = "headers"
phase = Phase.TRANSFORM
filters: tuple[HttpFilter, ...] = ()

_ACTIONS: dict[str, Literal["add", "set", "remove"]] = {
    "AddHeader": "add",
    "SetHeader": "set",
    "RemoveHeader": "remove",
}
_LONGEST_VALUE = 4096
"""Characters of a value on Kubernetes."""
_APPEND = {"add": "APPEND_IF_EXISTS_OR_ADD", "set": "OVERWRITE_IF_EXISTS_OR_ADD"}


@dataclass(frozen=True, slots=True)
class HeaderChange:
    """Add a value, set the only one, or remove all. `header` is in lower case."""

    action: Literal["add", "set", "remove"]
    header: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class Headers:
    """The changes of the file, one after the other, as one: removals first, then values."""

    policy: ClassVar[str] = name
    request: tuple[HeaderChange, ...] = ()
    response: tuple[HeaderChange, ...] = ()


def compile(conf: ApiConf, operation: OperationConf) -> Headers | None:
    """The changes of the operation, or of the API."""
    policies = conf.policies_of(operation)
    request, response = _changes(policies.request), _changes(policies.response)
    if request or response:
        return Headers(request, response)
    return None


def _changes(policies: Sequence[PolicyConf]) -> tuple[HeaderChange, ...]:
    """A gateway removes before it adds, so what a later removal undoes is left out."""
    made: list[HeaderChange] = []
    for item in policies:
        action = _ACTIONS.get(item.name)
        if action is None:
            continue
        header = str(item.parameter("headerName")).lower()
        value = ""
        if action != "remove":
            value = item.parameter("headerValue", "")
        change = HeaderChange(action, header, value)
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


def kubernetes(node: Headers, at: KubernetesPlace) -> KubernetesRoute:  # noqa: ARG001
    """Header modifiers of the rule."""
    faults = tuple(_faults((*node.request, *node.response)))
    faults += (*_repeated(node.request), *_repeated(node.response))
    if faults:
        return KubernetesRoute(not_possible=faults)
    return KubernetesRoute(
        request_headers=_modifier(node.request),
        response_headers=_modifier(node.response),
    )


def _modifier(changes: Sequence[HeaderChange]) -> HeaderChanges:
    def pairs(action: str) -> tuple[tuple[str, str], ...]:
        found = []
        for item in changes:
            if item.action == action:
                found.append((item.header, item.value))
        return tuple(found)

    return HeaderChanges(_removals(changes), pairs("set"), pairs("add"))


def _faults(changes: Sequence[HeaderChange]) -> Iterator[NotPossible]:
    for item in changes:
        if item.action != "remove" and not 0 < len(item.value) <= _LONGEST_VALUE:
            what = (
                f"a value of {len(item.value)} characters for the header {item.header}"
            )
            yield NotPossible(what, f"Write 1 to {_LONGEST_VALUE} characters.")


def _repeated(changes: Sequence[HeaderChange]) -> Iterator[NotPossible]:
    """Names that one list has twice."""
    counts = Counter((item.action, item.header) for item in changes)
    for (action, header), count in counts.items():
        if count > 1:
            what = f"the header {header} {count} times in one list ({action})"
            yield NotPossible(what, "Write its values as one, separated by commas.")


def _values(changes: Sequence[HeaderChange]) -> list[dict[str, object]]:
    found = []
    for item in changes:
        if item.action != "remove":
            found.append(literal_header(item.header, item.value, _APPEND[item.action]))
    return found


def _removals(changes: Sequence[HeaderChange]) -> tuple[str, ...]:
    found = []
    for item in changes:
        if item.action == "remove":
            found.append(item.header)
    return tuple(found)


def _check_name(parameters: Mapping, pointer: str, report: Report) -> None:
    check_text(parameters, "headerName", header_fault, codes.HEADER, report, pointer)


def _check_name_and_value(
    policy: str, parameters: Mapping, pointer: str, report: Report
) -> None:
    _check_name(parameters, pointer, report)
    if "headerValue" not in parameters.entries:
        message = f"required key [headerValue] not found for {policy}"
        report.add(
            codes.MISSING,
            message,
            mark(parameters, pointer),
            "Add `headerValue: …` here.",
        )
    check_text(
        parameters, "headerValue", header_value_fault, codes.HEADER, report, pointer
    )


def _parameters() -> Record:
    return Record(
        {"headerName": Text(1, 256), "headerValue": Text(0, 8192)}, ("headerName",)
    )


_NAME_TEXT: Final = "Name of the header."


def _listed(policy: str) -> ListedPolicy:
    """The conf's list entries `AddHeader` or `SetHeader`."""
    return ListedPolicy(
        policy,
        flows=("request", "response"),
        parameters=_parameters(),
        descriptions={
            "headerName": _NAME_TEXT,
            "headerValue": "Value of the header, literally.",
        },
        example={"headerName": "X-A", "headerValue": "1"},
        check=partial(_check_name_and_value, policy),
    )


conf_part = ConfPart(
    listed=(
        _listed("AddHeader"),
        _listed("SetHeader"),
        ListedPolicy(
            "RemoveHeader",
            flows=("request", "response"),
            parameters=_parameters(),
            descriptions={"headerName": _NAME_TEXT, "headerValue": "Not used."},
            example={"headerName": "X-A"},
            check=_check_name,
        ),
    )
)
