"""Access to parts of YAML nodes whose shape may be wrong: what is missing or of another kind reads as empty.

Used by every check of this room and of the policies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from kapi.apis.conf.model import Fields
from kapi.apis.conf.rules import Fault
from kapi.apis.report import Report, below
from kapi.apis.yaml_positions import Mapping, Node, Scalar, Sequence, mark, plain

ENDPOINT_KINDS: Final = ("production", "sandbox")


def text_at(node: Node, name: str) -> str:
    """The text of a field; empty when it has none."""
    found = node.entries.get(name) if isinstance(node, Mapping) else None
    if isinstance(found, Scalar) and isinstance(found.value, str):
        return found.value
    return ""


def is_text(node: Node) -> bool:
    """Whether a node is a text."""
    return isinstance(node, Scalar) and isinstance(node.value, str)


def is_true(node: Node, name: str) -> bool:
    """Whether a field is `true`."""
    found = node.entries.get(name) if isinstance(node, Mapping) else None
    return isinstance(found, Scalar) and found.value is True


def whole_at(node: Mapping, name: str) -> int | None:
    """The integer of a field; None when it has none."""
    found = node.entries.get(name)
    if not isinstance(found, Scalar) or isinstance(found.value, bool):
        return None
    return found.value if isinstance(found.value, int) else None


def items_at(owner: Node, name: str, pointer: str) -> Iterator[tuple[Node, str]]:
    """The items of a list with their pointers."""
    found = owner.entries.get(name) if isinstance(owner, Mapping) else None
    if isinstance(found, Sequence):
        here = below(pointer, name)
        for index, item in enumerate(found.items):
            yield item, below(here, index)


def mappings_at(owner: Node, name: str, pointer: str) -> Iterator[tuple[Mapping, str]]:
    """The items of a list that are mappings, with their pointers."""
    for item, here in items_at(owner, name, pointer):
        if isinstance(item, Mapping):
            yield item, here


def operation_nodes(root: Mapping) -> Iterator[tuple[Mapping, str]]:
    """The operations of a conf with their pointers."""
    return mappings_at(root, "operations", "#")


def endpoint_nodes(owner: Mapping, kind: str, pointer: str) -> list[tuple[Mapping, str]]:
    """The endpoints of a kind with their pointers, from both forms: one mapping (APK 1.0 to 1.2) or a list (from 1.3 on)."""
    endpoints = owner.entries.get("endpointConfigurations")
    if not isinstance(endpoints, Mapping):
        return []
    here = below(pointer, "endpointConfigurations")
    node = endpoints.entries.get(kind)
    if isinstance(node, Mapping):
        return [(node, below(here, kind))]
    return list(mappings_at(endpoints, kind, here))


def check_text(
    mapping: Mapping,
    name: str,
    rule: Callable[[str], Fault | None],
    code: str,
    report: Report,
    pointer: str = "#",
) -> None:
    """Ask a rule about a text of a mapping, unless a mistake was found in it before."""
    node = mapping.entries.get(name)
    here = below(pointer, name)
    if not isinstance(node, Scalar) or not isinstance(node.value, str):
        return
    if report.has_within(here):
        return
    fault = rule(node.value)
    if fault is not None:
        report.add(code, fault.message, mark(node, here), fault.hint)


def frozen(value: Any) -> Any:
    """Plain data as a frozen, hashable value: mappings become Fields, lists tuples."""
    if isinstance(value, dict):
        return Fields(tuple((name, frozen(item)) for name, item in value.items()))
    if isinstance(value, list):
        return tuple(frozen(item) for item in value)
    return value


def frozen_node(node: Node, pointer: str) -> Any:  # noqa: ARG001 - the signature of `ConfField.value`
    """A node as a frozen value, without its place."""
    return frozen(plain(node))
