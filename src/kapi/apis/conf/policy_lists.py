"""Checks of `apiPolicies` and `operationPolicies` beyond their schema.

Parameters, and policies of both levels. Called by `reading.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping as Table
from typing import Final

from kapi.apis import report as codes
from kapi.apis.conf.nodes import mappings_at, operation_nodes, text_at
from kapi.apis.conf.policy_part import Flow, Level, ListedPolicy
from kapi.apis.report import Report, below
from kapi.apis.yaml_positions import Mapping, key_mark, mark
from kapi.dataclass import dataclass

FLOWS: Final[tuple[Flow, ...]] = ("request", "response")
FIELDS: Final[dict[Level, str]] = {
    "api": "apiPolicies",
    "operation": "operationPolicies",
}
"""The field that holds the lists of a level."""


@dataclass(frozen=True, slots=True)
class Use:
    """One item of a list of policies. `owner` is the pointer of the list that has it."""

    level: Level
    flow: Flow
    name: str
    node: Mapping
    pointer: str
    owner: str

    @property
    def parameters(self) -> Mapping | None:
        """The parameters, where they are a mapping."""
        found = self.node.entries.get("parameters")
        if isinstance(found, Mapping):
            return found
        return None


def uses(root: Mapping) -> Iterator[Use]:
    """Every policy that the conf names."""
    yield from _uses_at(root, "api", "#")
    for operation, pointer in operation_nodes(root):
        yield from _uses_at(operation, "operation", pointer)


def uses_of(root: Mapping, name: str) -> list[Use]:
    """Every use of one policy."""
    return [use for use in uses(root) if use.name == name]


def _uses_at(owner: Mapping, level: Level, pointer: str) -> Iterator[Use]:
    lists = owner.entries.get(FIELDS[level])
    if not isinstance(lists, Mapping):
        return
    here = below(pointer, FIELDS[level])
    for flow in FLOWS:
        for node, spot in mappings_at(lists, flow, here):
            yield Use(
                level, flow, text_at(node, "policyName"), node, spot, below(here, flow)
            )


def check_policy_lists(
    root: Mapping, listed: Table[str, ListedPolicy], report: Report
) -> None:
    """Add every mistake in the policies of both levels."""
    for use, policy in _known_uses(root, listed):
        if use.parameters is not None:
            policy.check(use.parameters, below(use.pointer, "parameters"), report)
    _check_types(root, listed, report)
    _check_repeated(root, listed, report)
    _check_levels(root, listed, report)


def _known_uses(
    root: Mapping, listed: Table[str, ListedPolicy]
) -> Iterator[tuple[Use, ListedPolicy]]:
    """The uses of policies that exist; the schema reports the others."""
    for use in uses(root):
        if use.name in listed:
            yield use, listed[use.name]


def _check_types(
    root: Mapping, listed: Table[str, ListedPolicy], report: Report
) -> None:
    """Report policies that are not for an API of this type. The kinds exclude others by name."""
    named = text_at(root, "type")
    if not named:
        return
    for use, policy in _known_uses(root, listed):
        if not policy.types or named in policy.types:
            continue
        message = f"an API of type {named} cannot have {use.name}"
        hint = f"Remove it: it is for APIs of type {' and '.join(policy.types)}."
        place = key_mark(use.node, "policyName", use.pointer)
        report.add(codes.COMBINATION, message, place, hint)


def _check_repeated(
    root: Mapping, listed: Table[str, ListedPolicy], report: Report
) -> None:
    """A second policy of one list would hide the first, where a list may have only one."""
    seen: set[tuple[str, str]] = set()
    for use, policy in _known_uses(root, listed):
        if not policy.once:
            continue
        if (use.owner, use.name) in seen:
            message = f"a list has {use.name} twice"
            report.add(
                codes.COMBINATION,
                message,
                mark(use.node, use.pointer),
                "Keep one of them.",
            )
        seen.add((use.owner, use.name))


def _check_levels(
    root: Mapping, listed: Table[str, ListedPolicy], report: Report
) -> None:
    """APK's 909025: a policy of one level would hide those of the other, unless both act."""
    at_api = {use.name for use in _uses_at(root, "api", "#") if use.name}
    for operation, pointer in operation_nodes(root):
        own = set()
        for use in _uses_at(operation, "operation", pointer):
            if use.name:
                own.add(use.name)
        if not at_api or not own:
            continue
        alone = sorted(
            name for name in at_api | own if not _at_both_levels(listed.get(name))
        )
        if not alone:
            continue
        message = "Presence of both resource level and API level operation policies is not allowed"
        hint = (
            f"{', '.join(alone)} are possible at one of the levels only:"
            " move these policies to apiPolicies,"
            " or write those of apiPolicies at each operation that needs them."
        )
        place = key_mark(operation, FIELDS["operation"], pointer)
        report.add(codes.POLICIES, message, place, hint)


def _at_both_levels(policy: ListedPolicy | None) -> bool:
    return policy is not None and policy.both_levels
