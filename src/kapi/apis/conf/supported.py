"""What of the apk-conf is enforced so far: every field that asks for something else is refused by its name. Called by `reading.py`.

A field that is silently ignored is a security hole (a rate limit that is none), so nothing is ignored. When a policy comes to enforce
a field, its line leaves this file.
"""

from __future__ import annotations

from typing import Any, Final

from kapi.apis import report as codes
from kapi.apis.conf.yaml_positions import Mapping, Node, Scalar, Sequence, key_mark, mark, plain
from kapi.apis.report import Report, below

_FIELDS: Final = ("keyManagers",)
"""Fields not enforced yet."""

_POLICIES: Final = (
    "Interceptor",
    "BackendJwt",
    "LuaInterceptor",
    "WASMInterceptor",
    "AddHeader",
    "SetHeader",
    "RemoveHeader",
    "RequestMirror",
    "RequestRedirect",
)
"""What is enforced of `apiPolicies` and `operationPolicies`."""


def asks_for_something(value: Any) -> bool:
    """Whether a value differs from "nothing": false, empty, zero, or only such things inside."""
    if isinstance(value, dict):
        return any(asks_for_something(item) for item in value.values())
    if isinstance(value, list):
        return any(asks_for_something(item) for item in value)
    return bool(value)


def refuse_unsupported(root: Mapping, report: Report) -> None:
    """Report every field that asks for what is not enforced yet."""
    kind = root.entries.get("type")
    if isinstance(kind, Scalar) and kind.value in ("GRAPHQL", "GRPC"):
        message = f"type {kind.value} is not supported yet"
        report.add(
            codes.NOT_SUPPORTED,
            message,
            mark(kind, "#/type"),
            "Only REST APIs can be deployed so far.",
        )
    for name in _FIELDS:
        if (
            name in root.entries
            and not report.has_within(below("#", name))
            and asks_for_something(plain(root.entries[name]))
        ):
            _refuse(report, root, name, "#")
    _refuse_policies(root, "apiPolicies", "#", report)
    operations = root.entries.get("operations")
    if isinstance(operations, Sequence):
        for index, operation in enumerate(operations.items):
            if isinstance(operation, Mapping):
                _refuse_policies(
                    operation, "operationPolicies", below("#/operations", index), report
                )


def _refuse_policies(owner: Mapping, name: str, pointer: str, report: Report) -> None:
    lists = owner.entries.get(name)
    for flow in ("request", "response"):
        items = lists.entries.get(flow) if isinstance(lists, Mapping) else None
        for index, item in enumerate(items.items if isinstance(items, Sequence) else ()):
            here = below(below(below(pointer, name), flow), index)
            if not isinstance(item, Mapping) or report.has_within(here):
                continue
            if (kind := _text(item, "policyName", "")) not in _POLICIES:
                _refuse(report, item, "policyName", here, f"policy {kind}")


def _refuse(report: Report, mapping: Mapping, name: str, pointer: str, what: str = "") -> None:
    message = f"{what or name} is not supported yet"
    report.add(
        codes.NOT_SUPPORTED,
        message,
        key_mark(mapping, name, pointer),
        "Remove it; nothing would enforce it.",
    )


def _text(mapping: Mapping, name: str, default: str) -> str:
    node: Node | None = mapping.entries.get(name)
    return node.value if isinstance(node, Scalar) and isinstance(node.value, str) else default
