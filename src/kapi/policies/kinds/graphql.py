"""GraphQL APIs (apk-conf `type: GRAPHQL`, field `graphql`): root fields and size of documents.

One route takes the requests of all operations. The admission filter reads the body, lists the root
fields that the document selects, and checks each (`body_operations.py`). Depth counts the fields
inside each other, complexity all fields that are selected, with fragments put in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Final

from kapi.apis import report as codes
from kapi.apis.conf.policy_part import ConfField, ConfPart
from kapi.apis.conf.shapes import FLAG, Record, Whole
from kapi.apis.kinds.graphql import GRAPHQL
from kapi.apis.model.conf import ApiConf, Fields, OperationConf
from kapi.apis.report import Report
from kapi.dataclass import dataclass
from kapi.policies import authentication
from kapi.policies.admission import ADMIT
from kapi.policies.contract import EnvoyRoute, Phase, Place
from kapi.policies.kinds import body_operations
from kapi.policies.kinds.body_operations import BodyOperation, body_operation
from kapi.policies.kubernetes import KubernetesPlace, KubernetesRoute, not_possible
from kapi.policies.streams import IDLE_SECONDS, Stream
from kapi.policies.streams.conf import WEB_SOCKET, Kind

name = "graphql"
phase = Phase.LIMIT
filters = (ADMIT,)

FIELD: Final = "graphql"
INTROSPECTION: Final = ("__schema", "__type")
_MOST: Final = 1_000_000
_DAY: Final = 86_400
_WAITS: Final = ("bodyEnabled", "trailersEnabled")


@dataclass(frozen=True, slots=True)
class Subscriptions:
    """How long WebSockets and event streams may last, in seconds; a duration of 0 sets no limit."""

    idle_timeout: int = IDLE_SECONDS
    max_duration: int = 0
    messages_per_second: int = 0


@dataclass(frozen=True, slots=True)
class GraphQl:
    """The operations of a route and the limits of its documents; 0: no limit, and no batches."""

    policy: ClassVar[str] = name
    operations: tuple[BodyOperation, ...]
    credentials: str = "t"
    """Letters; see `body_operations.credentials`."""
    max_depth: int = 20
    max_complexity: int = 1000
    max_aliases: int = 50
    max_batch: int = 10
    introspection: bool = False
    subscriptions: Subscriptions | None = None
    """None if the API has no subscriptions."""


def compile(conf: ApiConf, operation: OperationConf) -> GraphQl | None:
    """One operation with the limits of the API; `together` makes one node of all."""
    if conf.type != GRAPHQL.type:
        return None
    node = GraphQl(
        (body_operation(conf, operation),),
        body_operations.credentials(
            authentication.compile(conf, OperationConf("", ""))
        ),
    )
    own = conf.field(FIELD) or Fields()
    return replace(
        node,
        max_depth=own.get("maxDepth", node.max_depth),
        max_complexity=own.get("maxComplexity", node.max_complexity),
        max_aliases=own.get("maxAliases", node.max_aliases),
        max_batch=own.get("maxBatch", node.max_batch),
        introspection=own.get("introspection", node.introspection),
        subscriptions=_subscriptions(conf),
    )


def _subscriptions(conf: ApiConf) -> Subscriptions | None:
    if not has_subscriptions(conf):
        return None
    own = (conf.field(FIELD) or Fields()).get("subscriptions") or Fields()
    usual = Subscriptions()
    return Subscriptions(
        own.get("idleTimeout", usual.idle_timeout),
        own.get("maxDuration", usual.max_duration),
        own.get("messagesPerSecond", usual.messages_per_second),
    )


def stream_of(node: Subscriptions, kind: Kind) -> Stream:
    """The node of a route for subscriptions."""
    messages = {WEB_SOCKET: node.messages_per_second}.get(kind, 0)
    return Stream(kind, node.idle_timeout, node.max_duration, messages)


def has_subscriptions(conf: ApiConf) -> bool:
    """Whether calls of the API may last long."""
    return any(item.verb == "SUBSCRIPTION" for item in conf.operations)


def _check(conf: ApiConf, report: Report) -> None:
    """Refuse interceptor services that wait for a body without an end."""
    if conf.type != GRAPHQL.type or not has_subscriptions(conf):
        return
    for item in (*conf.policies.request, *conf.policies.response):
        if item.name == "Interceptor" and any(map(item.parameter, _WAITS)):
            message = (
                "an Interceptor cannot get the bodies of an API with subscriptions"
            )
            hint = f"Streams have no end: remove {' and '.join(_WAITS)}."
            report.add(codes.COMBINATION, message, item.mark, hint)


def together(nodes: Sequence[GraphQl]) -> GraphQl:
    """The node of the route that takes the requests of all these operations."""
    operations = [item for node in nodes for item in node.operations]
    if nodes[0].introspection:
        is_open = all(item.open for item in operations)
        operations += [
            BodyOperation("QUERY", item, open=is_open) for item in INTROSPECTION
        ]
    return replace(nodes[0], operations=tuple(operations))


def envoy(node: GraphQl, place: Place) -> EnvoyRoute:
    """What the admission filter must know."""
    numbers = (
        ("depth", node.max_depth),
        ("complexity", node.max_complexity),
        ("aliases", node.max_aliases),
        ("batch", node.max_batch),
        ("message", place.gateway.enforcer.max_body_bytes),
    )
    options = " ".join(f"{name}={value}" for name, value in numbers)
    return body_operations.envoy(
        "graphql", options, node.credentials, node.operations, place
    )


def kubernetes(node: GraphQl | None, at: KubernetesPlace) -> KubernetesRoute:  # noqa: ARG001
    """Not possible."""
    return not_possible(
        "GraphQL operations are read from bodies by kapi's gateway",
        "Deploy the API to kapi's gateway, or export its endpoint as a REST API.",
    )


conf_part = ConfPart(
    fields=(
        ConfField(
            FIELD,
            places=("api",),
            shape=Record(
                {
                    "maxDepth": Whole(0, _MOST),
                    "maxComplexity": Whole(0, _MOST),
                    "maxAliases": Whole(0, _MOST),
                    "maxBatch": Whole(0, 100),
                    "introspection": FLAG,
                    "subscriptions": Record(
                        {
                            "idleTimeout": Whole(1, _DAY),
                            "maxDuration": Whole(1, 30 * _DAY),
                            "messagesPerSecond": Whole(1, _MOST),
                        }
                    ),
                }
            ),
            descriptions={
                f".{FIELD}": "Limits of GraphQL documents. kapi's own field.",
                "graphql.maxDepth": (
                    "Most fields inside each other; 0 sets no limit. 20 when left out."
                ),
                "graphql.maxComplexity": (
                    "Most fields that an operation selects, with its fragments put in;"
                    " 0 sets no limit. 1000 when left out."
                ),
                "graphql.maxAliases": (
                    "Most aliases of an operation; 0 sets no limit. 50 when left out."
                ),
                "graphql.maxBatch": (
                    "Most requests in one batch; 0 takes no batches. 10 when left out."
                ),
                "graphql.introspection": (
                    "true answers `__schema` and `__type` to callers with credentials, or to any"
                    " caller if no operation needs credentials. false when left out."
                ),
                "graphql.subscriptions": "WebSockets and event streams of subscriptions.",
                "subscriptions.idleTimeout": (
                    "Seconds without a byte in either direction. 300 when left out."
                ),
                "subscriptions.maxDuration": "Seconds that a connection may last.",
                "subscriptions.messagesPerSecond": (
                    "Frames that the client of a WebSocket may send in a second."
                ),
            },
        ),
    ),
    check_conf=_check,
)
