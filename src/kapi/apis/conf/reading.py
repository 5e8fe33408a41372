"""Reading an apk-conf: text → YAML with places → schema → rules → `ApiConf`, with all mistakes at once. Called by `compile.py` and the CLI.

The four steps stand in `yaml_positions.py`, `schema.py` (by `shapes.py`), `supported.py` and `rules.py`; here they are put in order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kapi.apis import report as codes
from kapi.apis.ai_providers import BUILT_IN
from kapi.apis.conf.ai_rules import check_ai
from kapi.apis.conf.authentication_rules import check_authentication
from kapi.apis.conf.endpoint_rules import apply, check_endpoints
from kapi.apis.conf.from_nodes import ENDPOINT_KINDS, api_conf, endpoint_nodes
from kapi.apis.conf.mediation_rules import check_mediation
from kapi.apis.conf.policy_rules import check_cors, check_mirror_paths, check_policies
from kapi.apis.conf.rules import (
    MAX_OPERATIONS,
    VERBS,
    Fault,
    base_path_fault,
    definition_path_fault,
    label_fault,
    operation_key,
    target_fault,
    target_key,
    version_fault,
)
from kapi.apis.conf.schema import CONF, ELSEWHERE
from kapi.apis.conf.shapes import Checker
from kapi.apis.conf.supported import refuse_unsupported
from kapi.apis.conf.yaml_positions import (
    Mapping,
    Node,
    Scalar,
    Sequence,
    key_mark,
    mark,
    plain,
    read_yaml,
)
from kapi.apis.report import Report, below

if TYPE_CHECKING:
    from kapi.apis.ai_providers import Providers
    from kapi.apis.conf.model import ApiConf, Mark
    from kapi.errors import Diagnostic

_MAX_CONF_BYTES = 2_000_000


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read: `conf` is None when there are mistakes; `data` is the whole file as plain data, None when it is no mapping."""

    conf: ApiConf | None
    diagnostics: tuple[Diagnostic, ...]
    data: dict[str, Any] | None
    warnings: tuple[Diagnostic, ...] = ()

    @property
    def api_type(self) -> str:
        """The type that the file names, also when other fields are wrong; REST when it names none."""
        kind = (self.data or {}).get("type")
        return kind if kind in ("REST", "GRAPHQL", "GRPC") else "REST"


def read_conf(
    text: bytes, source: str = "apkConfiguration"
) -> tuple[ApiConf | None, tuple[Diagnostic, ...]]:
    """The conf, or None and every mistake in it. Never raises on bad input."""
    reading = read(text, source)
    return reading.conf, reading.diagnostics


def read(
    text: bytes, source: str = "apkConfiguration", ai_providers: Providers = BUILT_IN
) -> Reading:
    """Like `read_conf`, with the plain data as well. `ai_providers` are those that a conf may name."""
    report = Report(source)
    root = read_yaml(text, report, limit=_MAX_CONF_BYTES)
    if root is None:
        return Reading(None, report.diagnostics, None)
    Checker(report, ELSEWHERE).check(root, CONF, "#")
    _check_texts(root, report)
    _check_operations(root, report)
    _check_rate_limits(root, report)
    check_mediation(root, report)
    _check_definition_path(root, report)
    check_policies(root, report)
    check_cors(root, report)
    check_ai(root, ai_providers, report)
    refuse_unsupported(root, report)
    data = plain(root)
    if report.diagnostics:
        return Reading(None, report.diagnostics, data)
    conf = api_conf(root)
    check_authentication(conf, report)
    check_mirror_paths(conf, report)
    found = None if report.diagnostics else conf
    return Reading(found, report.diagnostics, data, report.warnings)


def _check_texts(root: Mapping, report: Report) -> None:
    apply(root, "basePath", base_path_fault, codes.BASE_PATH, report)
    apply(root, "version", version_fault, codes.FORMAT, report)
    apply(
        root, "environment", lambda text: label_fault("environment", text), codes.HOST_LABEL, report
    )
    apply(root, "definitionPath", definition_path_fault, codes.TARGET, report)
    check_endpoints(root, "#", report)
    base_path, version = _string(root, "basePath"), _string(root, "version")
    flag = root.entries.get("defaultVersion")
    if isinstance(flag, Scalar) and flag.value is True and version and base_path == f"/{version}":
        message = (
            "basePath holds nothing but the version, so there is no path for the default version"
        )
        report.add(
            codes.BASE_PATH,
            message,
            key_mark(root, "basePath", "#"),
            "Name the API in basePath, or set defaultVersion: false.",
        )
    items = root.entries.get("authentication")
    kinds = (
        [_string(item, "authType") for item in items.items if isinstance(item, Mapping)]
        if isinstance(items, Sequence)
        else []
    )
    for kind in sorted({kind for kind in kinds if kind and kinds.count(kind) > 1}):
        message = f"more than one authentication item of type {kind[:40]}"
        report.add(codes.COMBINATION, message, key_mark(root, "authentication", "#"), "Keep one.")


def _check_operations(root: Mapping, report: Report) -> None:
    operations = root.entries.get("operations")
    if not isinstance(operations, Sequence):
        return
    place = mark(operations, "#/operations")
    if not operations.items:
        report.add(
            codes.OPERATIONS,
            "Atleast one operation need to specified",
            place,
            "Add an operation: a target and a verb.",
        )
    if len(operations.items) > MAX_OPERATIONS:
        message = f"{len(operations.items)} operations; at most {MAX_OPERATIONS} can be deployed in one API"
        report.add(codes.OPERATIONS, message, place, "Split the API, or use {parameters} and /*.")
        return
    is_rest = _string(root, "type") not in ("GRAPHQL", "GRPC")
    served = any(endpoint_nodes(root, kind, "#") for kind in ENDPOINT_KINDS)
    seen: dict[tuple[str, str], Mark] = {}
    unserved: list[tuple[Mapping, str]] = []
    for index, operation in enumerate(operations.items):
        if not isinstance(operation, Mapping):
            continue
        pointer = below("#/operations", index)
        check_endpoints(operation, pointer, report)
        _check_alternatives(operation, pointer, report)
        if not served and not any(
            endpoint_nodes(operation, kind, pointer) for kind in ENDPOINT_KINDS
        ):
            unserved.append((operation, pointer))
        if is_rest:
            _check_rest_operation(operation, pointer, seen, report)
    _refuse_unserved(unserved, report)


def _refuse_unserved(operations: list[tuple[Mapping, str]], report: Report) -> None:
    """One mistake for all operations without an endpoint: one line mends them."""
    if not operations:
        return
    first, pointer = operations[0]
    more = f" and {len(operations) - 1} more" if len(operations) > 1 else ""
    message = (
        f"production/sandbox endpoint not available for {_string(first, 'target')[:256]}{more}"
    )
    report.add(
        codes.NO_ENDPOINT,
        message,
        mark(first, pointer),
        "Add endpointConfigurations with production or sandbox.",
    )


def _check_alternatives(operation: Mapping, pointer: str, report: Report) -> None:
    """An alternative without scopes would let any token in, and so the others would ask for nothing."""
    alternatives = operation.entries.get("scopeAlternatives")
    here = below(pointer, "scopeAlternatives")
    for index, item in enumerate(alternatives.items if isinstance(alternatives, Sequence) else ()):
        if isinstance(item, Sequence) and not item.items:
            message = "an alternative without scopes accepts every token"
            report.add(
                codes.COMBINATION,
                message,
                mark(item, below(here, index)),
                "Name scopes in it, or remove scopeAlternatives.",
            )


def _check_rest_operation(
    operation: Mapping, pointer: str, seen: dict[tuple[str, str], Mark], report: Report
) -> None:
    apply(operation, "target", target_fault, codes.TARGET, report, pointer)
    apply(operation, "verb", _verb_fault, codes.VERB, report, pointer)
    if report.has_within(below(pointer, "target")) or report.has_within(below(pointer, "verb")):
        return
    target, verb = _string(operation, "target"), _string(operation, "verb")
    if target and verb:
        place = mark(operation, pointer)
        first = seen.setdefault((verb, operation_key(target)), place)
        if first is not place:
            message = f"duplicate operation {verb} {target}"
            hint = f"It stands on line {first.line} already (parameter names make no difference)."
            report.add(codes.SAME_OPERATION, message, place, hint)


def _check_rate_limits(root: Mapping, report: Report) -> None:
    """APK's 909026: one of two limits would hide the other."""
    operations = root.entries.get("operations")
    if not isinstance(root.entries.get("rateLimit"), Mapping) or not isinstance(
        operations, Sequence
    ):
        return
    for index, operation in enumerate(operations.items):
        if isinstance(operation, Mapping) and isinstance(
            operation.entries.get("rateLimit"), Mapping
        ):
            place = key_mark(operation, "rateLimit", below("#/operations", index))
            message = "Presence of both resource level and API level rate limits is not allowed"
            report.add(codes.RATE_LIMITS, message, place, "Remove it, or the rateLimit of the API.")


def _check_definition_path(root: Mapping, report: Report) -> None:
    path = _string(root, "definitionPath").rstrip("/")
    operations = root.entries.get("operations")
    for operation in operations.items if path and isinstance(operations, Sequence) else ():
        if _string(operation, "verb") == "GET" and target_key(_string(operation, "target")) == path:
            message = f"definitionPath is also the target of an operation: GET {path[:80]}"
            report.add(
                codes.COMBINATION,
                message,
                key_mark(root, "definitionPath", "#"),
                "Choose another definitionPath.",
            )


def _verb_fault(verb: str) -> Fault | None:
    if verb in VERBS:
        return None
    hint = f"Write {verb.upper()}." if verb.upper() in VERBS else f"Use one of: {', '.join(VERBS)}."
    return Fault(f"{verb[:60]} is not a valid enum value", hint)


def _string(mapping: Node, name: str) -> str:
    node = mapping.entries.get(name) if isinstance(mapping, Mapping) else None
    return node.value if isinstance(node, Scalar) and isinstance(node.value, str) else ""
