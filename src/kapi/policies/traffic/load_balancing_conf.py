"""How a conf writes `loadBalancing` and `priority`. Read by `load_balancing`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from kapi.apis import report as codes
from kapi.apis.balancing import Balancing, HashKey, HealthCheck, OutlierDetection
from kapi.apis.conf.nodes import (
    ENDPOINT_KINDS,
    check_text,
    endpoint_nodes,
    is_true,
    member,
    operation_nodes,
    text_at,
)
from kapi.apis.conf.policy_part import ConfField, ConfPart
from kapi.apis.conf.shapes import FLAG, Items, Record, Text, Whole
from kapi.apis.endpoints import endpoints
from kapi.apis.header_rules import header_fault
from kapi.apis.model.conf import ApiConf, EndpointConf
from kapi.apis.report import Report, below
from kapi.apis.yaml_positions import Mapping as MappingNode
from kapi.apis.yaml_positions import Node, key_mark, mark, plain

FIELD: Final = "loadBalancing"
PRIORITY: Final = "priority"
HIGHEST_PRIORITY: Final = 9
_TYPES: Final = ("REST", "GRAPHQL", "GRPC")
_HASHED: Final = ("ringHash", "maglev")
_KINDS: Final = ("roundRobin", "leastRequest", "random", *_HASHED)


def _value(node: Node, pointer: str) -> Balancing:  # noqa: ARG001 - `ConfField.value`
    data = plain(node)
    key, health, outliers = map(data.get, ("hashOn", "healthCheck", "outlierDetection"))
    return Balancing(
        data.get("kind", "roundRobin"),
        key
        and HashKey(
            key.get("header", "").lower(), key.get("cookie", ""), "sourceIp" in key
        ),
        None if health is None else _health(health),
        None if outliers is None else _outliers(outliers),
    )


def _health(data: Mapping[str, Any]) -> HealthCheck:
    usual = HealthCheck()
    return HealthCheck(
        data.get("path", ""),
        data.get("service", ""),
        tuple(dict.fromkeys(data.get("statusCodes") or usual.statuses)),
        data.get("intervalSeconds", usual.interval),
        data.get("timeoutSeconds", usual.timeout),
        data.get("unhealthyThreshold", usual.unhealthy_threshold),
        data.get("healthyThreshold", usual.healthy_threshold),
    )


def _outliers(data: Mapping[str, Any]) -> OutlierDetection:
    usual = OutlierDetection()
    return OutlierDetection(
        data.get("gatewayErrors", usual.gateway_errors),
        data.get("serverErrors", usual.server_errors),
        data.get("intervalSeconds", usual.interval),
        data.get("ejectionSeconds", usual.ejection),
        data.get("maxEjectionPercent", usual.most_percent),
    )


def _check(root: MappingNode, report: Report) -> None:
    owners = [(root, "#"), *operation_nodes(root)]
    at_api = member(root, FIELD)
    for owner, pointer in owners:
        node = owner.entries.get(FIELD)
        if isinstance(node, MappingNode):
            _check_field(node, below(pointer, FIELD), text_at(root, "type"), report)
        if node is None and at_api is None:
            _check_priorities(owner, pointer, report)


def _check_field(node: MappingNode, here: str, api_type: str, report: Report) -> None:
    if api_type and api_type not in _TYPES:
        message = f"an API of type {api_type} cannot have {FIELD}"
        hint = f"Remove it: it is for APIs of type {', '.join(_TYPES)}."
        report.add(codes.COMBINATION, message, mark(node, here), hint)
    _check_key(node, here, report)
    health = member(node, "healthCheck")
    if not isinstance(health, MappingNode):
        return
    wanted, other = ("service", "path") if api_type == "GRPC" else ("path", "service")
    spot = below(here, "healthCheck")
    if other in health.entries:
        hint = "Health checks of gRPC APIs have a service, all others a path."
        message = f"healthCheck.{other} is not for APIs of type {api_type}"
        report.add(codes.COMBINATION, message, key_mark(health, other, spot), hint)
    elif wanted == "path" and wanted not in health.entries:
        hint = "Write the path at the endpoints, such as /health."
        report.add(codes.MISSING, "healthCheck names no path", mark(health, spot), hint)


def _check_key(node: MappingNode, here: str, report: Report) -> None:
    kind, key = text_at(node, "kind"), node.entries.get("hashOn")
    hashes = kind in _HASHED
    if hashes and key is None:
        hint = "Add hashOn with header, cookie or sourceIp."
        report.add(codes.MISSING, f"{kind} needs hashOn", mark(node, here), hint)
    if key is None or not isinstance(key, MappingNode):
        return
    spot = below(here, "hashOn")
    if not hashes:
        hint = f"Write kind: {' or '.join(_HASHED)}, or remove hashOn."
        message = "hashOn is for the kinds ringHash and maglev"
        report.add(codes.COMBINATION, message, key_mark(node, "hashOn", here), hint)
    if len(key.entries) != 1 or (
        "sourceIp" in key.entries and not is_true(key, "sourceIp")
    ):
        hint = "Write header, cookie or sourceIp: true."
        report.add(
            codes.COMBINATION, "hashOn needs one of its fields", mark(key, spot), hint
        )
    check_text(key, "header", header_fault, codes.HEADER, report, spot)


def _check_priorities(owner: MappingNode, pointer: str, report: Report) -> None:
    for kind in ENDPOINT_KINDS:
        for node, here in endpoint_nodes(owner, kind, pointer):
            if PRIORITY in node.entries:
                message = f"{PRIORITY} does nothing without {FIELD}"
                hint = f"Add {FIELD} with healthCheck or outlierDetection, or remove {PRIORITY}."
                report.add(
                    codes.COMBINATION, message, key_mark(node, PRIORITY, here), hint
                )


def _check_conf(conf: ApiConf, report: Report) -> None:
    """Refuse endpoints that cannot be one backend."""
    lists = dict.fromkeys(
        (item.production or conf.production, item.sandbox or conf.sandbox)
        for item in conf.operations
        if conf.balancing_of(item) is not None
    )
    for endpoint_confs in dict.fromkeys(found for pair in lists for found in pair):
        _check_alike(endpoint_confs, report)
    if lists and conf.ai_provider is not None:
        hint = f"Remove {FIELD}; models of AI APIs have their own way to share calls."
        report.add(codes.COMBINATION, f"an AI API cannot have {FIELD}", conf.mark, hint)


def _check_alike(confs: tuple[EndpointConf, ...], report: Report) -> None:
    kinds = [replace(item, host="", port=0, weight=1) for item in endpoints(confs)]
    for conf, kind in zip(confs[1:], kinds[1:], strict=True):
        if kind != kinds[0]:
            message = (
                f"endpoints below {FIELD} differ in more than host, port and weight"
            )
            hint = "Give them the same scheme, path, times, retries, limits and credentials."
            report.add(codes.COMBINATION, message, conf.mark, hint)


_SECONDS: Final = Whole(1, 3600)
_COUNT: Final = Whole(1, 1000)
_PATH: Final = Text(
    1, 512, pattern=r"/[!-\"$-~]*", hint="Write a path such as /health."
)
_COOKIE: Final = Text(
    1, 64, pattern=r"[A-Za-z0-9_-]+", hint="Use letters, digits, `_` and `-`."
)
_SHAPE: Final = Record(
    {
        "kind": Text(one_of=_KINDS),
        "hashOn": Record({"header": Text(1, 128), "cookie": _COOKIE, "sourceIp": FLAG}),
        "healthCheck": Record(
            {
                "path": _PATH,
                "service": Text(1, 256, pattern=r"[A-Za-z0-9_.]+"),
                "statusCodes": Items(Whole(100, 599), 20),
                "intervalSeconds": _SECONDS,
                "timeoutSeconds": _SECONDS,
                "unhealthyThreshold": _COUNT,
                "healthyThreshold": _COUNT,
            }
        ),
        "outlierDetection": Record(
            {
                "gatewayErrors": _COUNT,
                "serverErrors": _COUNT,
                "intervalSeconds": _SECONDS,
                "ejectionSeconds": _SECONDS,
                "maxEjectionPercent": Whole(1, 100),
            }
        ),
    }
)
_TEXTS: Final = {
    "": "The endpoints of a list are one backend: how one is chosen. Only in kapi.",
    "kind": "roundRobin (when left out), leastRequest, random, ringHash or maglev.",
    "hashOn": "What of a call chooses the endpoint, for ringHash and maglev: one of the three.",
    "hashOn.header": "Calls with the same value of this header go to the same endpoint.",
    "hashOn.cookie": "Calls with the same cookie of this name; set for callers without one.",
    "hashOn.sourceIp": "Calls from the same address.",
    "healthCheck": "Requests of the gateway that find out whether an endpoint answers.",
    "healthCheck.path": "Path at the endpoints, from the root of the host.",
    "healthCheck.service": "For gRPC APIs: the service that grpc.health.v1.Health is asked for.",
    "healthCheck.statusCodes": "Statuses of a healthy endpoint; 200.",
    "healthCheck.intervalSeconds": "Time between two checks; 10.",
    "healthCheck.timeoutSeconds": "Time that an answer may take; 2.",
    "healthCheck.unhealthyThreshold": "Failures after which it gets no calls; 3.",
    "healthCheck.healthyThreshold": "Successes after which it gets calls again; 2.",
    "outlierDetection": "An endpoint that fails calls gets none for a while.",
    "outlierDetection.gatewayErrors": "502, 503, 504, broken connections or timeouts in a row; 5.",
    "outlierDetection.serverErrors": "Statuses from 500 on in a row; not counted when left out.",
    "outlierDetection.intervalSeconds": "How often ejected endpoints are looked at; 10.",
    "outlierDetection.ejectionSeconds": "First ejection; longer each time, at most tenfold; 30.",
    "outlierDetection.maxEjectionPercent": "Share of the endpoints without calls at most; 100.",
}
conf_part = ConfPart(
    fields=(
        ConfField(
            FIELD,
            places=("api", "operation"),
            shape=_SHAPE,
            descriptions={
                f"{FIELD}.{path}".rstrip("."): text for path, text in _TEXTS.items()
            },
            value=_value,
        ),
        ConfField(
            PRIORITY,
            places=("endpoint",),
            shape=Whole(0, HIGHEST_PRIORITY),
            descriptions={
                PRIORITY: "0 first; endpoints of a higher number get calls when others fail.",
            },
        ),
    ),
    check=_check,
    check_conf=_check_conf,
)
