"""MCP servers (apk-conf `type: MCP`): what each tool, prompt and resource needs.

One route takes the messages of all operations. The admission filter reads the body, finds the
operation that it names and checks it (`body_operations.py`). Messages that name no operation, such
as `initialize` and lists, need a credential unless some operation needs none. The filter removes
from lists what the caller may not use.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Final

from kapi.apis.conf.policy_part import ConfField, ConfPart
from kapi.apis.conf.shapes import Text
from kapi.apis.kinds.mcp import MCP
from kapi.apis.mcp_servers import FIELD, server_of
from kapi.apis.model.conf import ApiConf, OperationConf
from kapi.policies import authentication
from kapi.policies.admission import ADMIT
from kapi.policies.contract import EnvoyRoute, Phase, Place
from kapi.policies.kinds import body_operations
from kapi.policies.kinds.body_operations import BodyOperation, body_operation
from kapi.policies.kubernetes import KubernetesPlace, KubernetesRoute, not_possible

name = "mcp"
phase = Phase.LIMIT
filters = (ADMIT,)

HANDSHAKE: Final = BodyOperation("MCP", "handshake")


@dataclass(frozen=True, slots=True)
class Mcp:
    """The operations of a route."""

    policy: ClassVar[str] = name
    operations: tuple[BodyOperation, ...]
    prefix: str = ""
    """That of the server, if there are several."""
    credentials: str = "t"
    """Letters; see `body_operations.credentials`."""


def compile(conf: ApiConf, operation: OperationConf) -> Mcp | None:
    """One operation; `together` makes one node of all."""
    if conf.type != MCP.type:
        return None
    needed = authentication.compile(conf, OperationConf("", ""))
    prefix = server_of(conf, operation)
    return Mcp((body_operation(conf, operation),), prefix, body_operations.credentials(needed))


def together(nodes: Sequence[Mcp]) -> Mcp:
    """The node of the route that takes the messages for all these operations."""
    return replace(nodes[0], operations=tuple(item for node in nodes for item in node.operations))


def envoy(node: Mcp, place: Place) -> EnvoyRoute:
    """What the admission filter must know.

    Targets with patterns are options: the filter looks for the first that matches.
    """
    options = ["o" if any(item.open for item in node.operations) else ""]
    for item in node.operations:
        if "*" in item.target or "{" in item.target:
            options += [item.verb.lower(), item.target]
    operations = (*node.operations, HANDSHAKE)
    return body_operations.envoy("mcp", "\t".join(options), node.credentials, operations, place)


def kubernetes(node: Mcp | None, at: KubernetesPlace) -> KubernetesRoute:  # noqa: ARG001
    """Not possible."""
    return not_possible(
        "MCP messages are read from bodies by kapi's gateway",
        "Deploy the API to kapi's gateway.",
    )


conf_part = ConfPart(
    fields=(
        ConfField(
            FIELD,
            places=("endpoint",),
            shape=Text(1, 32, pattern="[A-Za-z0-9-]+"),
            descriptions={
                FIELD: (
                    "Of several MCP servers behind one: tools named <prefix>_<name> are of this"
                    " server. kapi's own field."
                )
            },
        ),
    )
)
