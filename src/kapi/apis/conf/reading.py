"""Reading an apk-conf: text → YAML with places → schema → rules → `ApiConf`.

All mistakes at once. Called by `compile.py` and the CLI.

The schema (`schema.py`, checked by `shapes.py`) and the rules are those of the format and of the
policies.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any, Final

from kapi.apis import report as codes
from kapi.apis.ai_providers import BUILT_IN, Providers
from kapi.apis.conf.ai_provider_rules import check_ai_provider
from kapi.apis.conf.endpoint_rules import check_endpoints
from kapi.apis.conf.from_nodes import api_conf
from kapi.apis.conf.nodes import check_text, is_true, operation_nodes, text_at
from kapi.apis.conf.not_enforced import refuse_excluded, refuse_unclaimed
from kapi.apis.conf.operation_rules import check_operations
from kapi.apis.conf.parameter_lists import take_parameter_lists
from kapi.apis.conf.policy_lists import check_policy_lists
from kapi.apis.conf.policy_part import HasConfPart
from kapi.apis.conf.schema import ELSEWHERE, conf_format
from kapi.apis.conf.shapes import Checker
from kapi.apis.definitions import DEFINITIONS
from kapi.apis.kinds import DEFAULT, kind_at_best
from kapi.apis.model.conf import ApiConf
from kapi.apis.model.rules import (
    base_path_fault,
    definition_path_fault,
    label_fault,
    target_key,
    version_fault,
)
from kapi.apis.report import Report
from kapi.apis.yaml_positions import Mapping, key_mark, plain, read_yaml
from kapi.dataclass import dataclass
from kapi.errors import Diagnostic

_MAX_CONF_BYTES: Final = 2_000_000


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read: `conf` is None when there are mistakes.

    `data` is the whole file as plain data, None when it is not a mapping.
    """

    conf: ApiConf | None
    diagnostics: tuple[Diagnostic, ...]
    data: dict[str, Any] | None
    warnings: tuple[Diagnostic, ...] = ()

    @property
    def api_type(self) -> str:
        """The type that the file names, also if other fields are wrong, or the default one."""
        kind = (self.data or {}).get("type")
        known = [form.TYPE for form in DEFINITIONS]
        if isinstance(kind, str) and kind in known:
            return kind
        return DEFAULT.type


def read(
    text: bytes,
    policies: Iterable[HasConfPart],
    *,
    source: str = "apkConfiguration",
    ai_providers: Providers = BUILT_IN,
) -> Reading:
    """The conf, or every mistake in it. Never raises on bad input.

    `policies` say what a conf may ask for. `ai_providers` are those that it may name.
    """
    report = Report(source)
    form = conf_format(policies)
    root = read_yaml(text, report, limit=_MAX_CONF_BYTES)
    if root is None:
        return Reading(None, report.diagnostics, None)
    take_parameter_lists(root, form.listed, report)
    Checker(report, ELSEWHERE).check(root, form.root, "#")
    _check_texts(root, report)
    check_endpoints(root, "#", report)
    kind = kind_at_best(text_at(root, "type"))
    check_operations(root, kind, report)
    _check_definition_path(root, report)
    check_policy_lists(root, form.listed, report)
    for part in form.parts:
        part.check(root, report)
    check_ai_provider(root, ai_providers, report)
    refuse_unclaimed(root, form.has_field, form.listed, report)
    refuse_excluded(root, kind, report)
    data = plain(root)
    if report.diagnostics:
        return Reading(None, report.diagnostics, data)
    conf = api_conf(root, form.fields)
    for part in form.parts:
        part.check_conf(conf, report)
    found = None
    if not report.diagnostics:
        found = conf
    return Reading(found, report.diagnostics, data, report.warnings)


def _check_texts(root: Mapping, report: Report) -> None:
    check_text(root, "basePath", base_path_fault, codes.BASE_PATH, report)
    check_text(root, "version", version_fault, codes.FORMAT, report)
    host_label = partial(label_fault, "environment")
    check_text(root, "environment", host_label, codes.HOST_LABEL, report)
    check_text(root, "definitionPath", definition_path_fault, codes.TARGET, report)
    base_path, version = text_at(root, "basePath"), text_at(root, "version")
    if is_true(root, "defaultVersion") and version and base_path == f"/{version}":
        message = (
            "basePath contains only the version,"
            " so there is no path for the default version"
        )
        hint = "Name the API in basePath, or set defaultVersion: false."
        report.add(codes.BASE_PATH, message, key_mark(root, "basePath", "#"), hint)


def _check_definition_path(root: Mapping, report: Report) -> None:
    path = text_at(root, "definitionPath").rstrip("/")
    if not path:
        return
    for operation, _ in operation_nodes(root):
        is_get = text_at(operation, "verb") == "GET"
        if is_get and target_key(text_at(operation, "target")) == path:
            message = (
                f"definitionPath is also the target of an operation: GET {path[:80]}"
            )
            place = key_mark(root, "definitionPath", "#")
            report.add(
                codes.COMBINATION, message, place, "Choose another definitionPath."
            )
