"""RegexGuardrail: the text must match a pattern, or (`invert`) must not."""

from __future__ import annotations

from collections.abc import Mapping as Table
from typing import Any, Final

from kapi.apis import report as codes
from kapi.apis.conf.nodes import check_text
from kapi.apis.conf.policy_part import ListedPolicy
from kapi.apis.conf.shapes import FLAG, Record, Text
from kapi.apis.report import Report
from kapi.apis.yaml_positions import Mapping
from kapi.policies.guardrails.common import COMMON, DESCRIPTIONS, Check
from kapi.policies.guardrails.patterns import LONGEST, pattern_fault


def _check(parameters: Mapping, pointer: str, report: Report) -> None:
    check_text(parameters, "regex", pattern_fault, codes.FORMAT, report, pointer)


def _own(given: Table[str, Any]) -> dict[str, Any]:
    return {"regex": given["regex"], "invert": given.get("invert", False)}


CHECK: Final = Check(
    "REGEX_GUARDRAIL",
    ListedPolicy(
        "RegexGuardrail",
        flows=("request", "response"),
        both_levels=True,
        parameters=Record(
            {**COMMON, "regex": Text(1, LONGEST), "invert": FLAG}, ("regex",)
        ),
        descriptions={
            **DESCRIPTIONS,
            "regex": "The pattern, of the Rust crate regex.",
            "invert": "true refuses what matches, false what does not. false when left out.",
        },
        example={"regex": "(?i)ignore all instructions", "invert": True},
        check=_check,
    ),
    _own,
)
