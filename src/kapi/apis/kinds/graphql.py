"""GraphQL: fields of the root types, defined by a schema (SDL). All operations share one path.

The body of a request names the operations; `policies/kinds/graphql.py` tells the gateway what each
of them needs.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from kapi.apis.definitions import graphql
from kapi.apis.kinds.model import Kind
from kapi.apis.kinds.warnings import not_in_definition
from kapi.apis.model.rules import Fault
from kapi.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kapi.apis.definitions import Definition
    from kapi.apis.ir import Endpoint
    from kapi.apis.model.conf import ApiConf
    from kapi.errors import Diagnostic

VERBS: Final = ("QUERY", "MUTATION", "SUBSCRIPTION")
METHODS: Final = ("GET", "POST")
_NAME: Final = re.compile(r"(?!__)[_A-Za-z][_0-9A-Za-z]{0,255}")
_SHARED: Final = "One request may name several operations"


@dataclass(frozen=True, slots=True)
class GraphQlOperation:
    """A field (`target`) of a root type (`verb`)."""

    verb: str
    target: str
    production: tuple[Endpoint, ...] = ()
    sandbox: tuple[Endpoint, ...] = ()
    policies: tuple[Any, ...] = ()

    @property
    def path(self) -> str:
        """The base path itself."""
        return "/"

    @property
    def methods(self) -> tuple[str, ...]:
        """POST, and GET for queries (GraphQL over HTTP §6.2)."""
        return METHODS


def _target_fault(target: str) -> Fault | None:
    if _NAME.fullmatch(target):
        return None
    hint = "Write the name of a field of the root type, without arguments."
    return Fault(f"target [{target[:80]}] is not the name of a field", hint)


def _verb_fault(verb: str) -> Fault | None:
    if verb in VERBS:
        return None
    hint = (
        f"Write {verb.upper()}."
        if verb.upper() in VERBS
        else f"Use one of: {', '.join(VERBS)}."
    )
    return Fault(f"{verb[:60]} is not a valid enum value", hint)


def _warnings(conf: ApiConf, definition: Definition | None) -> Iterable[Diagnostic]:
    """Operations that the schema does not have: no document with them is valid."""
    if definition is None:
        return
    known = {(operation.verb, operation.target) for operation in definition.operations}
    hint = "Add the field to the schema, or remove the operation here."
    for operation in conf.operations:
        if (operation.verb, operation.target) not in known:
            yield not_in_definition(operation, hint=hint)


def _served(content: bytes) -> tuple[str, bytes]:
    """The schema as text; there is no registered media type for it."""
    return "text/plain; charset=utf-8", content


def _message(verb: str, target: str) -> dict[str, Any]:
    return {"query": f"{verb.lower()} {{ {target} }}"}


GRAPHQL: Final = Kind(
    language=graphql,
    operation=GraphQlOperation,
    target_fault=_target_fault,
    verb_fault=_verb_fault,
    excluded={
        "operations.endpointConfigurations": f"{_SHARED}: name the endpoints of the API.",
        "operations.operationPolicies": f"{_SHARED}: use apiPolicies.",
        "operations.stream": "Use graphql.subscriptions, for all subscriptions of the API.",
        "aiProvider": "Remove it: answers of GraphQL backends name no tokens.",
    },
    warnings=_warnings,
    served=_served,
    message=_message,
)
