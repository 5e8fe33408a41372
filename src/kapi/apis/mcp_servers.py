"""Several MCP servers behind one: endpoints with `toolPrefix`. For `compile.py` and the kind. Pure.

A tool is named `<prefix>_<name>`. The gateway answers lists itself, from the definition, and sends
a call to the server of its prefix under the server's own name of the tool. The servers must accept
requests without sessions (revision 2026-07-28).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from kapi.apis import report as codes
from kapi.apis.definitions.loose import items
from kapi.apis.ir import McpTool
from kapi.apis.mcp_tools import MOST_TOOLS, Tools
from kapi.errors import Diagnostic

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kapi.apis.model.conf import ApiConf, EndpointConf, OperationConf

FIELD: Final = "toolPrefix"
FORWARD: Final = "forward"
"""First word of the template of such a tool; `wasm/admission/src/mcp_requests.rs` reads it."""
_SOURCE: Final = "apkConfiguration"


def prefix_of(endpoint: EndpointConf) -> str:
    """The prefix of the tools of an endpoint; empty for a server that is alone."""
    return str(endpoint.fields.get(FIELD, ""))


def has_prefix(target: str, prefix: str) -> bool:
    """Whether a tool is one of the server with this prefix."""
    return not prefix or target.startswith(f"{prefix}_")


def is_aggregated(conf: ApiConf) -> bool:
    """Whether the conf has several servers."""
    return any(map(prefix_of, (*conf.production, *conf.sandbox)))


def server_of(conf: ApiConf, operation: OperationConf) -> str:
    """The prefix of the server of a tool; empty if there is none."""
    prefixes = list(map(prefix_of, (*conf.production, *conf.sandbox)))
    named = filter(None, prefixes)
    for item in named:
        if has_prefix(operation.target, item):
            return item
    return ""


def tools_of(conf: ApiConf, document: Mapping[str, Any] | None) -> Tools:
    """The tools of all servers, as the definition shows them."""
    result = Tools(mistakes=list(_mistakes(conf)))
    if result.mistakes or document is None:
        return result
    shown = {item["name"]: item for item in items(document.get("tools"))}
    hint = "Add it to the tools of the definition, with its prefix: lists come from there."
    for operation in conf.operations:
        if operation.target not in shown:
            message = f"the definition does not show the tool {operation.target}"
            result.mistakes.append(_diagnostic(operation, message, hint))
    if not result.mistakes:
        result.found = tuple(_tool(conf, operation, shown) for operation in conf.operations)
    return result


def _tool(conf: ApiConf, operation: OperationConf, shown: Mapping[str, Any]) -> McpTool:
    prefix = server_of(conf, operation)
    members = {"inputSchema": {"type": "object"}, **shown[operation.target]}
    del members["name"]
    text = json.dumps(members, ensure_ascii=False, separators=(",", ":"))
    own = operation.target.removeprefix(f"{prefix}_")
    return McpTool(operation.target, operation.verb, operation.target, (FORWARD, prefix, own), text)


def _mistakes(conf: ApiConf) -> Iterator[Diagnostic]:
    for endpoint in (*conf.production, *conf.sandbox):
        if not prefix_of(endpoint):
            mark = endpoint.mark
            message = f"an endpoint has no {FIELD}, and another one has"
            place = (mark.pointer, mark.line, mark.column)
            hint = "Give each server a prefix of its own."
            yield Diagnostic(codes.COMBINATION, message, hint, *place, source=_SOURCE)
    for operation in conf.operations:
        known = operation.verb == "TOOL" and server_of(conf, operation)
        if not known or not operation.target.isascii():
            message = f"{operation.verb} {operation.target[:80]} is a tool of none of the servers"
            hint = "Several servers have tools only, named <prefix>_<name>."
            yield _diagnostic(operation, message, hint)
    if len(conf.operations) > MOST_TOOLS:
        message = f"{len(conf.operations)} tools; several servers have at most {MOST_TOOLS}"
        place = ("#/operations", 0, 0)
        yield Diagnostic(codes.LIMIT, message, "Split the API.", *place, source=_SOURCE)


def _diagnostic(operation: OperationConf, message: str, hint: str) -> Diagnostic:
    mark = operation.mark
    place = (mark.pointer, mark.line, mark.column)
    return Diagnostic(codes.COMBINATION, message, hint, *place, source=_SOURCE)
