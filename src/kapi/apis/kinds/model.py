"""What a kind of API is: all in which GraphQL differs from REST before the gateway.

The pipeline (`reading.py`, `compile.py`, `generate.py`) is the same for every kind and asks the
kind. A default is for a kind that has nothing of its own to add.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Any, Protocol

from kapi.apis.definitions import media_type
from kapi.dataclass import dataclass

if TYPE_CHECKING:
    from kapi.apis.definitions import Definition, DefinitionFormat, DefinitionOperation
    from kapi.apis.ir import Endpoint, Operation
    from kapi.apis.model.conf import ApiConf, EndpointConf, OperationConf
    from kapi.apis.model.rules import Fault
    from kapi.errors import Diagnostic


class MakeOperation(Protocol):
    """Makes the IR of an operation; a frozen dataclass with these fields is one."""

    def __call__(
        self,
        verb: str,
        target: str,
        production: tuple[Endpoint, ...],
        sandbox: tuple[Endpoint, ...],
        policies: tuple[Any, ...],
    ) -> Operation:
        """The operation. `verb` and `target` have passed the checks of the kind."""


class AddNote(Protocol):
    """Adds a `Note` about something that a generated conf does not contain as defined."""

    def __call__(self, pointer: str, message: str, hint: str = "") -> None:
        """Add it. `pointer` leads into the definition."""


def same_text(target: str) -> str:
    """Return the target unchanged."""
    return target


def conf_order(operation: Operation) -> Any:  # noqa: ARG001 - the signature of `Kind.order`
    """The same for all operations: a stable sort keeps the order of the conf."""
    return 0


def no_warnings(
    conf: ApiConf,  # noqa: ARG001 - the signature of `Kind.warnings`
    definition: Definition | None,  # noqa: ARG001
) -> Iterable[Diagnostic]:
    """Return no warning: nothing of this kind needs one."""
    return ()


def all_operations(
    definition: Definition,
    note: AddNote,  # noqa: ARG001 - the signature of `Kind.generated`
) -> list[DefinitionOperation]:
    """All operations of the definition."""
    return list(definition.operations)


def no_more_fields(
    definition: Definition,  # noqa: ARG001 - the signature of `Kind.more_fields`
    conf: Mapping[str, Any],  # noqa: ARG001
) -> Mapping[str, Any]:
    """Return no additional conf field."""
    return {}


def all_endpoints(
    operation: OperationConf,  # noqa: ARG001 - the signature of `Kind.endpoints`
    given: Sequence[EndpointConf],
) -> Sequence[EndpointConf]:
    """Return all endpoints."""
    return given


def no_message(
    verb: str,  # noqa: ARG001 - the signature of `Kind.message`
    target: str,  # noqa: ARG001
) -> Mapping[str, Any] | None:
    """None: no message names the operation."""
    return None


def as_sent(content: bytes) -> tuple[str, bytes]:
    """The definition as it was sent, with the media type of its first characters."""
    return media_type(content), content


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """One kind of API."""

    language: DefinitionFormat
    """The language of its definitions: a module of `apis/definitions`."""
    operation: MakeOperation
    """From a checked operation of the conf to the IR. Each kind has a type of its own."""
    target_fault: Callable[[str], Fault | None]
    """Why a `target` of the conf is invalid, if it is."""
    verb_fault: Callable[[str], Fault | None]
    """Why a `verb` of the conf is invalid, if it is."""
    distinct: Callable[[str], str] = same_text
    """The part of a target in which two operations with the same verb must differ."""
    separator: str = "/"
    """Between base path and version in the path of the API."""
    excluded: Mapping[str, str] = field(default_factory=dict)
    """Fields and listed policies that a conf of this type cannot have, each with a hint.

    `operations.<field>` is excluded from operations alone.
    """
    endpoints: Callable[
        [OperationConf, Sequence[EndpointConf]], Sequence[EndpointConf]
    ] = all_endpoints
    """Those of the endpoints of a conf that serve an operation."""
    order: Callable[[Operation], Any] = conf_order
    """Sort key of the operations in the IR, for a gateway that uses the first match."""
    warnings: Callable[[ApiConf, Definition | None], Iterable[Diagnostic]] = no_warnings
    """Warnings about a conf without mistakes. A restored API has no definition."""
    generated: Callable[[Definition, AddNote], list[DefinitionOperation]] = (
        all_operations
    )
    """The operations of a definition that a generated conf gets."""
    served: Callable[[bytes], tuple[str, bytes]] = as_sent
    """Media type and body with which callers get the definition."""
    message: Callable[[str, str], Mapping[str, Any] | None] = no_message
    """The JSON body of a call of a verb and target, None if no body names the operation."""
    first_version: str = "1.0.0"
    """The version of a generated conf whose definition has none."""
    more_fields: Callable[[Definition, Mapping[str, Any]], Mapping[str, Any]] = (
        no_more_fields
    )
    """Further fields of a generated conf, which has its name, version and base path."""

    @property
    def type(self) -> str:
        """The value of `type` in a conf."""
        return self.language.TYPE
