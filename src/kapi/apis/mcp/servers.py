"""Several MCP servers behind one: endpoints with `toolPrefix`. For `compile.py` and the kind. Pure.

A tool or prompt is named `<prefix>_<name>`, a resource `<prefix>+<URI>`. The gateway answers lists
itself, from the definition, and sends a message to the server of the prefix under the server's own
name. The servers must accept requests without sessions (revision 2026-07-28).
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from kapi.apis import report as codes
from kapi.apis.ir_mcp import McpListed, McpTool
from kapi.apis.mcp.tools import MOST_TOOLS, Tools
from kapi.errors import Diagnostic
from kapi.typed import items

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from kapi.apis.model.conf import ApiConf, EndpointConf, OperationConf

FIELD: Final = "toolPrefix"
FORWARD: Final = "forward"
"""First word of the template of such a tool; `wasm/admission/src/mcp_requests.rs` reads it."""
MOST_LISTED: Final = 500
_SOURCE: Final = "apkConfiguration"
_SEPARATORS: Final = {"TOOL": "_", "PROMPT": "_", "RESOURCE": "+"}
_OTHER_LISTS: Final = (
    ("prompts", "name"),
    ("resources", "uri"),
    ("resourceTemplates", "uriTemplate"),
)
_SCHEME: Final = re.compile(r"[a-z][a-z0-9-]*")
"""A prefix that may begin a URI; clients write schemes in small letters (RFC 3986 §3.1)."""
_HINT: Final = "Tools and prompts are named <prefix>_<name>, resources <prefix>+<URI>."


def prefix_of(endpoint: EndpointConf) -> str:
    """The prefix of the names of an endpoint; empty for a server that is alone."""
    return str(endpoint.fields.get(FIELD, ""))


def has_prefix(operation: OperationConf, prefix: str) -> bool:
    """Whether an operation is one of the server with this prefix."""
    if not prefix:
        return True
    return operation.target.startswith(prefix + _SEPARATORS[operation.verb])


def is_aggregated(conf: ApiConf) -> bool:
    """Whether the conf has several servers."""
    return any(map(prefix_of, (*conf.production, *conf.sandbox)))


def server_of(conf: ApiConf, operation: OperationConf) -> str:
    """The prefix of the server of an operation; empty if there is none."""
    prefixes = list(map(prefix_of, (*conf.production, *conf.sandbox)))
    named = filter(None, prefixes)
    for item in named:
        if has_prefix(operation, item):
            return item
    return ""


def tools_of(conf: ApiConf, document: Mapping[str, Any] | None) -> Tools:
    """What all servers have, as the definition shows it."""
    result = Tools(mistakes=list(_mistakes(conf)))
    if result.mistakes or document is None:
        return result
    result.mistakes += _not_shown(conf, document)
    if not result.mistakes:
        shown = {item["name"]: item for item in items(document.get("tools"))}
        tools = []
        for operation in conf.operations:
            if operation.verb == "TOOL":
                tools.append(_tool(conf, operation, shown))
        result.found = tuple(tools)
        result.listed = tuple(_listed(document))
    if len(result.listed) > MOST_LISTED:
        count = len(result.listed)
        many = f"{count} prompts and resources in the definition; {MOST_LISTED} at most"
        hint = "Leave out what no caller needs to find."
        result.mistakes.append(
            Diagnostic(codes.LIMIT, many, hint, "#", 0, 0, source="definitionFile")
        )
    return result


def _not_shown(conf: ApiConf, document: Mapping[str, Any]) -> Iterator[Diagnostic]:
    """Tools and prompts that lists cannot have. A resource need not be in a list."""
    hint = "Add it to the {} of the definition, with its prefix: lists come from there."
    for verb, member in (("TOOL", "tools"), ("PROMPT", "prompts")):
        known = {item["name"] for item in items(document.get(member))}
        for operation in conf.operations:
            if operation.verb == verb and operation.target not in known:
                message = f"the definition does not show the {verb.lower()} {operation.target}"
                yield _diagnostic(operation, message, hint.format(member))


def _tool(conf: ApiConf, operation: OperationConf, shown: Mapping[str, Any]) -> McpTool:
    prefix = server_of(conf, operation)
    members = {"inputSchema": {"type": "object"}, **shown[operation.target]}
    del members["name"]
    own = operation.target.removeprefix(f"{prefix}_")
    text = _json(members)
    return McpTool(
        operation.target, operation.verb, operation.target, (FORWARD, prefix, own), text
    )


def _listed(document: Mapping[str, Any]) -> Iterator[McpListed]:
    for member, name in _OTHER_LISTS:
        for item in items(document.get(member)):
            yield McpListed(member, item[name], _json(item))


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _mistakes(conf: ApiConf) -> Iterator[Diagnostic]:
    yield from _prefix_mistakes((*conf.production, *conf.sandbox), conf.operations)
    for operation in conf.operations:
        if not server_of(conf, operation) or not operation.target.isascii():
            message = (
                f"{operation.verb} {operation.target[:80]} is of none of the servers"
            )
            yield _diagnostic(operation, message, _HINT)
        elif operation.verb != "RESOURCE" and operation.target.endswith("*"):
            message = f"{operation.verb} {operation.target[:80]} is a pattern"
            yield _diagnostic(
                operation, message, "Name each tool and prompt of several servers."
            )
    if len(conf.operations) > MOST_TOOLS:
        message = f"{len(conf.operations)} operations; several servers have at most {MOST_TOOLS}"
        place = ("#/operations", 0, 0)
        yield Diagnostic(codes.LIMIT, message, "Split the API.", *place, source=_SOURCE)


def _prefix_mistakes(
    endpoints: Sequence[EndpointConf], operations: Sequence[OperationConf]
) -> Iterator[Diagnostic]:
    has_resources = any(item.verb == "RESOURCE" for item in operations)
    for endpoint in endpoints:
        prefix = prefix_of(endpoint)
        place = (endpoint.mark.pointer, endpoint.mark.line, endpoint.mark.column)
        if not prefix:
            message = f"an endpoint has no {FIELD}, and another one has"
            hint = "Give each server a prefix of its own."
            yield Diagnostic(codes.COMBINATION, message, hint, *place, source=_SOURCE)
        elif has_resources and not _SCHEME.fullmatch(prefix):
            message = f"{FIELD} {prefix} cannot begin the URI of a resource"
            hint = "Begin it with a small letter, and write no capital letters."
            yield Diagnostic(codes.COMBINATION, message, hint, *place, source=_SOURCE)


def _diagnostic(operation: OperationConf, message: str, hint: str) -> Diagnostic:
    mark = operation.mark
    place = (mark.pointer, mark.line, mark.column)
    return Diagnostic(codes.COMBINATION, message, hint, *place, source=_SOURCE)
