"""Rules for `operations` beyond the schema: targets, verbs, duplicates, and an endpoint for each.

Called by `reading.py`.
"""

from __future__ import annotations

from kapi.apis import report as codes
from kapi.apis.conf.endpoint_rules import check_endpoints
from kapi.apis.conf.nodes import (
    ENDPOINT_KINDS,
    check_text,
    endpoint_nodes,
    operation_nodes,
    text_at,
)
from kapi.apis.kinds import Kind
from kapi.apis.model.rules import MAX_OPERATIONS
from kapi.apis.report import Mark, Report, below
from kapi.apis.yaml_positions import Mapping, Sequence, mark


def check_operations(root: Mapping, kind: Kind | None, report: Report) -> None:
    """Add every mistake in the operations. Targets and verbs are checked by the kind, if any."""
    operations = root.entries.get("operations")
    if not isinstance(operations, Sequence):
        return
    place = mark(operations, "#/operations")
    if not operations.items:
        hint = "Add an operation: a target and a verb."
        report.add(
            codes.OPERATIONS, "Atleast one operation need to specified", place, hint
        )
    count = len(operations.items)
    if count > MAX_OPERATIONS:
        message = (
            f"{count} operations; at most {MAX_OPERATIONS} can be deployed in one API"
        )
        report.add(
            codes.OPERATIONS,
            message,
            place,
            "Split the API, or use {parameters} and /*.",
        )
        return
    seen: dict[tuple[str, str], Mark] = {}
    for operation, pointer in operation_nodes(root):
        check_endpoints(operation, pointer, report)
        if kind is not None:
            _check_operation(kind, operation, pointer, seen, report)
    _refuse_unserved(root, report)


def _has_endpoint(owner: Mapping, pointer: str) -> bool:
    return any(endpoint_nodes(owner, kind, pointer) for kind in ENDPOINT_KINDS)


def _refuse_unserved(root: Mapping, report: Report) -> None:
    """One mistake for all operations without an endpoint: one line mends them."""
    if _has_endpoint(root, "#"):
        return
    found = []
    for item in operation_nodes(root):
        if not _has_endpoint(*item):
            found.append(item)
    if not found:
        return
    first, pointer = found[0]
    more = ""
    if len(found) > 1:
        more = f" and {len(found) - 1} more"
    target = text_at(first, "target")[:256]
    message = f"production/sandbox endpoint not available for {target}{more}"
    hint = "Add endpointConfigurations with production or sandbox."
    report.add(codes.NO_ENDPOINT, message, mark(first, pointer), hint)


def _check_operation(
    kind: Kind,
    operation: Mapping,
    pointer: str,
    seen: dict[tuple[str, str], Mark],
    report: Report,
) -> None:
    check_text(operation, "target", kind.target_fault, codes.TARGET, report, pointer)
    check_text(operation, "verb", kind.verb_fault, codes.VERB, report, pointer)
    if report.has_within(below(pointer, "target")) or report.has_within(
        below(pointer, "verb")
    ):
        return
    target, verb = text_at(operation, "target"), text_at(operation, "verb")
    if not target or not verb:
        return
    place = mark(operation, pointer)
    first = seen.setdefault((verb, kind.distinct(target)), place)
    if first is not place:
        message = f"duplicate operation {verb} {target}"
        hint = (
            f"It is on line {first.line} already (parameter names make no difference)."
        )
        report.add(codes.SAME_OPERATION, message, place, hint)
