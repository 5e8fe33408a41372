"""REST: one HTTP method on one path below the base path, defined by an OpenAPI document."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from kapi.apis import report as codes
from kapi.apis.definitions import openapi
from kapi.apis.disguises import weaker_siblings
from kapi.apis.kinds.model import Kind
from kapi.apis.kinds.warnings import not_in_definition, warning
from kapi.apis.model.rules import (
    Fault,
    operation_key,
    plain_target,
    target_fault,
    target_key,
)
from kapi.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kapi.apis.definitions import Definition, DefinitionOperation
    from kapi.apis.ir import Endpoint, Operation
    from kapi.apis.kinds.model import AddNote
    from kapi.apis.model.conf import ApiConf
    from kapi.errors import Diagnostic

VERBS: Final = ("GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "HEAD")
_LONGEST_PATH: Final = 256
_SAME_ACCESS: Final = "They ask for different scopes; give them different paths."


@dataclass(frozen=True, slots=True)
class RestOperation:
    """One verb on one target. `target` starts with "/" and is relative to the API's base path.

    Requests are shared among the endpoints of a kind by their weights. Without endpoints, the
    operation does not exist on that host.
    """

    verb: str
    target: str
    production: tuple[Endpoint, ...] = ()
    sandbox: tuple[Endpoint, ...] = ()
    policies: tuple[Any, ...] = ()

    @property
    def path(self) -> str:
        """The path that the operation matches: its target."""
        return self.target

    @property
    def methods(self) -> tuple[str, ...]:
        """The HTTP methods that the operation matches: its verb."""
        return (self.verb,)


def _verb_fault(verb: str) -> Fault | None:
    if verb in VERBS:
        return None
    message = f"{verb[:60]} is not a valid enum value"
    if verb.upper() in VERBS:
        return Fault(message, f"Write {verb.upper()}.")
    return Fault(message, f"Use one of: {', '.join(VERBS)}.")


# The order of operations


def _order(operation: Operation) -> tuple[Any, ...]:
    """Sorts the most specific target first, segment by segment.

    Plain text is before text with a parameter, which is before a parameter, which is before `*`.
    """
    key = target_key(operation.target)
    return (
        tuple(map(_segment_order, key[1:].split("/"))),
        key,
        VERBS.index(operation.verb),
    )


def _segment_order(segment: str) -> tuple[int, int]:
    if segment == "*":
        return 3, 0
    if segment == "{}":
        return 2, 0
    if "{}" in segment:
        # Of two segments with parameters, the one with more plain text is more specific.
        return 1, -len(segment.replace("{}", ""))
    return 0, 0


# Warnings


def _warnings(conf: ApiConf, definition: Definition | None) -> Iterable[Diagnostic]:
    if definition is not None:
        yield from _not_in_definition(conf, definition)
    yield from _weaker_siblings(conf)


def _not_in_definition(conf: ApiConf, definition: Definition) -> Iterable[Diagnostic]:
    """Operations that the definition does not have: a caller cannot know them."""
    known = {
        (operation.verb, target_key(plain_target(operation.target)))
        for operation in definition.operations
    }
    for operation in conf.operations:
        if (operation.verb, target_key(operation.target)) in known:
            continue
        if not operation.target.endswith("/*"):
            yield not_in_definition(operation)


def _weaker_siblings(conf: ApiConf) -> Iterable[Diagnostic]:
    for wider, narrower in weaker_siblings(conf.operations):
        fixed = f"{narrower.verb} {narrower.target}"
        message = (
            f"{wider.verb} {wider.target} needs other credentials or scopes than {fixed},"
            " and a backend may mistake one for the other"
        )
        hint = (
            f"Calls that a backend may take for {narrower.target}, such as {narrower.target};x"
            " and other letter case, are answered 404."
            " If your backend takes other paths for it, too, let both need the same."
        )
        yield warning(codes.WEAKER_SIBLING, message, hint, wider)


# From a definition to a conf


def _generated(definition: Definition, note: AddNote) -> list[DefinitionOperation]:
    """The operations that a conf can contain, in their order.

    Those that a gateway cannot tell apart are one.
    """
    groups: dict[tuple[str, str], list[DefinitionOperation]] = {}
    for operation in definition.operations:
        target = plain_target(operation.target)
        fault = _path_fault(target)
        if fault is None:
            groups.setdefault((operation.verb, operation_key(target)), []).append(
                operation
            )
            continue
        message = f"{_named(operation)} is left out: {fault.message}"
        note(operation.path_pointer, message, fault.hint)
    kept = (_one(group, note) for group in groups.values())
    return [operation for operation in kept if operation is not None]


def _one(group: list[DefinitionOperation], note: AddNote) -> DefinitionOperation | None:
    """One operation of those that differ in names of parameters, query or fragment alone.

    None if they need different callers.
    """
    first = group[0]
    if any(_access(other) != _access(first) for other in group):
        _note_different_access(group, note)
        return None
    target = plain_target(first.target)
    if target != first.target:
        message = f"{_named(first)} becomes {first.verb} {target[:80]}"
        note(first.path_pointer, message, "Queries pass; fragments are never sent.")
    hint = "Queries, fragments and names of parameters make no difference."
    for operation in group[1:]:
        message = (
            f"{_named(operation)} is one operation with {_named(first)}:"
            " a gateway cannot tell the two apart"
        )
        note(operation.pointer, message, hint)
    return replace(first, target=target)


def _note_different_access(group: list[DefinitionOperation], note: AddNote) -> None:
    for operation in group:
        other = next(item for item in group if item is not operation)
        message = f"{_named(operation)} is left out: a gateway cannot tell it from {_named(other)}"
        note(operation.pointer, message, _SAME_ACCESS)


def _access(operation: DefinitionOperation) -> tuple[Any, ...]:
    return (
        operation.secured,
        frozenset(operation.scopes),
        frozenset(map(frozenset, operation.scope_alternatives)),
    )


def _named(operation: DefinitionOperation) -> str:
    return f"{operation.verb} {operation.target[:120]}"


def _path_fault(target: str) -> Fault | None:
    if len(target) > _LONGEST_PATH:
        return Fault(
            f"its path is longer than {_LONGEST_PATH} characters", "Use a shorter path."
        )
    return target_fault(target)


REST: Final = Kind(
    language=openapi,
    operation=RestOperation,
    target_fault=target_fault,
    verb_fault=_verb_fault,
    distinct=operation_key,
    order=_order,
    warnings=_warnings,
    generated=_generated,
)
