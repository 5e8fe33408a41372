"""MCP: a tool, prompt or resource of an MCP server, named in the body of a POST to one path."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from kapi.apis.definitions import mcp
from kapi.apis.kinds.model import Kind
from kapi.apis.kinds.warnings import not_in_definition
from kapi.apis.mcp.servers import has_prefix, prefix_of
from kapi.apis.model.rules import Fault
from kapi.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kapi.apis.definitions import Definition
    from kapi.apis.ir import Endpoint
    from kapi.apis.model.conf import ApiConf, EndpointConf, OperationConf
    from kapi.errors import Diagnostic

VERBS: Final = ("TOOL", "PROMPT", "RESOURCE")
METHODS: Final = ("POST", "GET", "DELETE")
"""GET opens the stream of a session and DELETE ends it (revisions to 2025-11-25)."""
_VISIBLE: Final = re.compile(r"[^\x00-\x20\x7f-\x9f\t]+")
_EXPRESSION: Final = re.compile(r"\{[A-Za-z0-9_.%]+\}")
_AT_API: Final = "Set it for the API: its operations are one path for the gateway."


@dataclass(frozen=True, slots=True)
class McpOperation:
    """One tool, prompt or resource."""

    verb: str
    target: str
    production: tuple[Endpoint, ...] = ()
    sandbox: tuple[Endpoint, ...] = ()
    policies: tuple[Any, ...] = ()

    @property
    def path(self) -> str:
        """The base path: the body names the operation."""
        return "/"

    @property
    def methods(self) -> tuple[str, ...]:
        """Those of the streamable HTTP transport."""
        return METHODS


def _verb_fault(verb: str) -> Fault | None:
    if verb in VERBS:
        return None
    return Fault(
        f"{verb[:60]} is not a valid enum value", f"Use one of: {', '.join(VERBS)}."
    )


def _target_fault(target: str) -> Fault | None:
    if not _VISIBLE.fullmatch(target):
        return Fault(
            "target has a blank or control character", "Write the name or URI as it is."
        )
    rest = _EXPRESSION.sub("", target)
    if "{" in rest or "}" in rest:
        return Fault(
            f"target [{target[:80]}] has an expression other than {{name}}",
            "Write {name} for characters without a slash, or * at the end for any rest.",
        )
    if "*" in rest[:-1]:
        return Fault(
            "target has * elsewhere than at its end", "Write * at the end for any rest."
        )
    return None


def _warnings(conf: ApiConf, definition: Definition | None) -> Iterable[Diagnostic]:
    """Operations that the definition does not have."""
    if definition is None:
        return
    known = {(item.verb, item.target) for item in definition.operations}
    for operation in conf.operations:
        named = (operation.verb, operation.target)
        if named in known or operation.target.endswith("*"):
            continue
        yield not_in_definition(operation)


def _endpoints(
    operation: OperationConf, given: Sequence[EndpointConf]
) -> Sequence[EndpointConf]:
    """Those of the server whose prefix the operation has."""
    found = []
    for item in given:
        if has_prefix(operation, prefix_of(item)):
            found.append(item)
    return found


def _message(verb: str, target: str) -> dict[str, Any]:
    method, member = _CALLS[verb]
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": {member: target}}


_CALLS: Final = {
    "TOOL": ("tools/call", "name"),
    "PROMPT": ("prompts/get", "name"),
    "RESOURCE": ("resources/read", "uri"),
}
"""Of each verb: the method of a call, and the member that names the target."""

MCP: Final = Kind(
    language=mcp,
    operation=McpOperation,
    target_fault=_target_fault,
    verb_fault=_verb_fault,
    excluded={
        "aiProvider": "Remove it: the gateway does not read answers of MCP servers for tokens.",
        "operationPolicies": _AT_API,
        "mcp": "Remove it: the API is an MCP server already.",
        "RequestRedirect": "Name the address of the server in endpointConfigurations.",
    },
    endpoints=_endpoints,
    warnings=_warnings,
    message=_message,
)
