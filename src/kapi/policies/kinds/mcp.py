"""MCP servers (apk-conf `type: MCP`): what each tool, prompt and resource needs.

One route takes the messages of all operations. The admission filter reads the body, finds the
operation that it names and checks it (`body_operations.py`). Messages that name no operation, such
as `initialize` and lists, need a credential unless some operation needs none. The filter removes
from lists what the caller may not use.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Final

from kapi.apis.conf.policy_part import ConfField, ConfPart
from kapi.apis.conf.shapes import Text
from kapi.apis.ir import Api
from kapi.apis.kinds.mcp import MCP
from kapi.apis.mcp.servers import FIELD, server_of
from kapi.apis.model.conf import ApiConf, OperationConf
from kapi.dataclass import dataclass
from kapi.policies import authentication
from kapi.policies.admission import ADMIT
from kapi.policies.contract import EnvoyRoute, Phase, Place
from kapi.policies.cors import allowed_origins
from kapi.policies.kinds import body_operations
from kapi.policies.kinds.body_operations import BodyOperation, body_operation
from kapi.policies.kubernetes import KubernetesPlace, KubernetesRoute, not_possible
from kapi.policies.streams import IDLE_SECONDS

name = "mcp"
phase = Phase.LIMIT
filters = (ADMIT,)

METADATA: Final = "kapi.mcp"
"""Route metadata: what the filter must know of a server and its tools."""
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
    return Mcp(
        (body_operation(conf, operation),), prefix, body_operations.credentials(needed)
    )


def together(nodes: Sequence[Mcp]) -> Mcp:
    """The node of the route that takes the messages for all these operations."""
    return replace(
        nodes[0], operations=tuple(item for node in nodes for item in node.operations)
    )


def envoy(node: Mcp, place: Place) -> EnvoyRoute:
    """What the admission filter must know.

    Targets with patterns are options: the filter looks for the first that matches.
    """
    headers = header_texts(place.api)
    flags = "o" * any(item.open for item in node.operations) + "h" * bool(headers)
    options = with_patterns(with_origins(flags, place), node.operations)
    operations = (*node.operations, HANDSHAKE)
    made = body_operations.envoy("mcp", options, node.credentials, operations, place)
    metadata = dict(made.metadata)
    if headers:
        metadata[METADATA] = headers
    # Checked here: a server on a local network would compare it with its own address.
    return replace(
        made, action=times(place), metadata=metadata, remove_request_headers=("origin",)
    )


def with_origins(flags: str, place: Place) -> str:
    """The flags, then the origins whose pages may call: the gateway's own and those of CORS rules.

    The transport demands it: a server that any page could reach would trust its network.
    """
    return " ".join(
        (flags, *map(place.gateway.origin, place.hosts), *allowed_origins(place))
    )


def with_patterns(options: str, operations: Iterable[BodyOperation]) -> str:
    """The options, then verb and target of each operation whose target is a pattern."""
    parts = [options]
    for item in operations:
        if "*" in item.target or "{" in item.target:
            parts += [item.verb.lower(), item.target]
    return "\t".join(parts)


def header_texts(api: Api) -> dict[str, str]:
    """For each tool the headers that repeat its arguments; `mcp_headers.rs` reads it."""
    texts: dict[str, str] = {}
    for item in api.mcp_headers:
        path = "/".join(
            name.replace("~", "~0").replace("/", "~1") for name in item.path
        )
        key = f"headers {item.tool}"
        texts[key] = f"{texts.get(key, '')}{item.header}\t{item.type}\t{path}\t"
    return texts


def times(place: Place) -> dict[str, Any]:
    """An answer may be a stream of events: only silence ends it, unless the endpoint says more."""
    action = {}
    if place.endpoint.response_timeout is None:
        action["timeout"] = "0s"
    if place.endpoint.idle_timeout is None:
        action["idle_timeout"] = f"{IDLE_SECONDS}s"
    return action


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
                    "Of several MCP servers behind one: tools and prompts named <prefix>_<name> and"
                    " resources <prefix>+<URI> are of this server. kapi's own field."
                )
            },
        ),
    )
)
