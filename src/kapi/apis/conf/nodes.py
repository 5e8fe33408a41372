"""Access to parts of YAML nodes whose shape may be wrong: anything else reads as empty.

Used by every check of this room and of the policies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from kapi.apis.model.conf import Fields
from kapi.apis.model.rules import Fault
from kapi.apis.report import Report, below
from kapi.apis.yaml_positions import Mapping, Node, Scalar, Sequence, mark, plain

ENDPOINT_KINDS: Final = ("production", "sandbox")


def text_at(node: Node, name: str) -> str:
    """The text of a field; empty when it has none."""
    found = _scalar_at(node, name)
    if isinstance(found, str):
        return found
    return ""


def is_text(node: Node) -> bool:
    """Whether a node is a text."""
    return isinstance(node, Scalar) and isinstance(node.value, str)


def is_true(node: Node, name: str) -> bool:
    """Whether a field is `true`."""
    return _scalar_at(node, name) is True


def whole_at(node: Mapping, name: str) -> int | None:
    """The integer of a field; None when it has none."""
    found = _scalar_at(node, name)
    if type(found) is int:  # A Boolean is an int too.
        return found
    return None


def _scalar_at(node: Node, name: str) -> Any:
    """The value of a field that is a scalar, or None."""
    found = member(node, name)
    if isinstance(found, Scalar):
        return found.value
    return None


def member(node: Node | None, name: str) -> Node | None:
    """A member of a mapping, or None."""
    if isinstance(node, Mapping):
        return node.entries.get(name)
    return None


def items_at(owner: Node, name: str, pointer: str) -> Iterator[tuple[Node, str]]:
    """The items of a list with their pointers."""
    found = member(owner, name)
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


def endpoint_nodes(
    owner: Mapping, kind: str, pointer: str
) -> list[tuple[Mapping, str]]:
    """The endpoints of a kind with their pointers.

    There are two forms: one mapping (APK 1.0 to 1.2) or a list (from 1.3 on).
    """
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
    if (
        not isinstance(node, Scalar)
        or not isinstance(node.value, str)
        or report.has_within(here)
    ):
        return
    fault = rule(node.value)
    if fault is not None:
        report.add(code, fault.message, mark(node, here), fault.hint)


def frozen(value: Any) -> Any:
    """Plain data as a frozen, hashable value: mappings become Fields, lists tuples."""
    if isinstance(value, dict):
        return Fields(tuple((name, frozen(item)) for name, item in value.items()))
    if isinstance(value, list):
        return tuple(map(frozen, value))
    return value


def frozen_node(node: Node, pointer: str) -> Any:  # noqa: ARG001 - `ConfField.value`
    """A node as a frozen value, without its place."""
    return frozen(plain(node))
