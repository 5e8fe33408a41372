"""A REST API as an MCP server (apk-conf `mcp`): its operations are tools, at `/mcp`.

The admission filter answers what the server is asked, and makes a request to an operation from a
call of its tool. Scopes, `secured` and limits are those of the operation, which its other callers
share. The filters behind it are those of the operation's route.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import ClassVar

from kapi.apis.conf.policy_part import ConfField, ConfPart
from kapi.apis.conf.shapes import FLAG
from kapi.apis.ir_mcp import McpListed, McpTool
from kapi.apis.mcp.servers import FORWARD
from kapi.apis.mcp.tools import FIELD
from kapi.apis.model.conf import ApiConf, OperationConf
from kapi.dataclass import dataclass
from kapi.policies.admission import ADMIT
from kapi.policies.contract import EnvoyRoute, Phase, Place
from kapi.policies.kinds import body_operations
from kapi.policies.kinds.body_operations import BodyOperation
from kapi.policies.kinds.mcp import (
    HANDSHAKE,
    METADATA,
    header_texts,
    with_origins,
    with_patterns,
)
from kapi.policies.kubernetes import KubernetesPlace, KubernetesRoute, not_possible

name = "mcp_tools"
phase = Phase.LIMIT
filters = (ADMIT,)


@dataclass(frozen=True, slots=True)
class McpTools:
    """The tools of a route, and what their operations need."""

    policy: ClassVar[str] = name
    tools: tuple[McpTool, ...]
    operations: tuple[BodyOperation, ...]
    credentials: str = "t"
    """Letters; see `body_operations.credentials`."""
    listed: tuple[McpListed, ...] = ()
    """What several servers have besides tools."""
    several: bool = False
    """Whether the operations are those of several servers."""


def compile(conf: ApiConf, operation: OperationConf) -> None:
    """Nothing: `gateway/envoy/resources/routes/rest/tools.py` makes the one node of an API."""


def envoy(node: McpTools, place: Place) -> EnvoyRoute:
    """What the admission filter must know: the operations, and the tools that name them."""
    headers = header_texts(place.api)
    flags = "r" + "s" * node.several + "o" * any(item.open for item in node.operations)
    flags += "h" * bool(headers)
    options = with_origins(flags, place)
    if node.several:
        options = with_patterns(options, node.operations)
    operations = (*node.operations, HANDSHAKE)
    made = body_operations.envoy("mcp", options, node.credentials, operations, place)
    texts = {**_texts(node.tools, place), **_lists(node.listed), **headers}
    metadata = {**made.metadata, METADATA: texts}
    return EnvoyRoute(made.per_route, metadata=metadata, route=made.route)


def kubernetes(node: McpTools | None, at: KubernetesPlace) -> KubernetesRoute:  # noqa: ARG001
    """Not possible."""
    return not_possible(
        "tools of an MCP server are answered by kapi's gateway",
        "Remove `mcp`, or deploy the API to kapi's gateway.",
    )


def _texts(tools: Sequence[McpTool], place: Place) -> dict[str, str]:
    server = {"name": place.api.name, "version": place.api.version}
    texts = {
        "server": json.dumps(server),
        "tools": "\t".join(tool.name for tool in tools),
    }
    for tool in tools:
        verb, target, *rest = tool.template
        path = target
        if verb != FORWARD:
            path = f"{place.base_path.rstrip('/')}{target}"
        texts[f"operation {tool.name}"] = f"{tool.verb.lower()} {tool.target}"
        texts[f"call {tool.name}"] = "\t".join((verb, path, *rest))
        texts[f"list {tool.name}"] = (
            f'{{"name":{json.dumps(tool.name)},{tool.shown[1:]}'
        )
    return texts


def _lists(listed: Sequence[McpListed]) -> dict[str, str]:
    """Names by the member that lists them, and each item."""
    texts: dict[str, str] = {}
    for item in listed:
        before = texts.get(item.member)
        texts[item.member] = item.name
        if before is not None:
            texts[item.member] = f"{before}\t{item.name}"
        texts[f"list {item.member} {item.name}"] = item.shown
    return texts


conf_part = ConfPart(
    fields=(
        ConfField(
            FIELD,
            places=("api", "operation"),
            shape=FLAG,
            descriptions={
                f".{FIELD}": (
                    "true offers all operations as tools of an MCP server at `/mcp`."
                    " kapi's own field."
                ),
                f"operations.{FIELD}": (
                    "Whether the operation is a tool of the MCP server;"
                    " that of the API when left out."
                ),
            },
        ),
    )
)
