"""WordCountGuardrail, SentenceCountGuardrail, ContentLengthGuardrail: a number within limits."""

from __future__ import annotations

from collections.abc import Mapping as Table
from typing import Any, Final

from kapi.apis import report as codes
from kapi.apis.conf.nodes import whole_at
from kapi.apis.conf.policy_part import ListedPolicy
from kapi.apis.conf.shapes import FLAG, Record, Whole
from kapi.apis.report import Report
from kapi.apis.yaml_positions import Mapping, key_mark, mark
from kapi.policies.guardrails.common import COMMON, DESCRIPTIONS, Check

_MOST: Final = 10_000_000


def _check(parameters: Mapping, pointer: str, report: Report) -> None:
    low, high = whole_at(parameters, "min"), whole_at(parameters, "max")
    if low is None and high is None:
        message = "the guardrail has neither min nor max"
        report.add(
            codes.MISSING,
            message,
            mark(parameters, pointer),
            "Write min, max, or both.",
        )
    elif low is not None and high is not None and low > high:
        place = key_mark(parameters, "min", pointer)
        report.add(
            codes.RANGE, f"min {low} is more than max {high}", place, "Swap them."
        )


def _own(given: Table[str, Any]) -> dict[str, Any]:
    return {
        "min": given.get("min", 0),
        "max": given.get("max", _MOST),
        "invert": given.get("invert", False),
    }


def _listed(name: str, what: str) -> ListedPolicy:
    return ListedPolicy(
        name,
        flows=("request", "response"),
        both_levels=True,
        parameters=Record(
            {**COMMON, "min": Whole(0, _MOST), "max": Whole(0, _MOST), "invert": FLAG}
        ),
        descriptions={
            **DESCRIPTIONS,
            "min": f"Fewest {what}. 0 when left out.",
            "max": f"Most {what}. No limit when left out.",
            "invert": "true allows only what is outside of min and max. false when left out.",
        },
        example={"min": 1, "max": 500},
        check=_check,
    )


CHECKS: Final = (
    Check("WORD_COUNT_GUARDRAIL", _listed("WordCountGuardrail", "words"), _own),
    Check(
        "SENTENCE_COUNT_GUARDRAIL", _listed("SentenceCountGuardrail", "sentences"), _own
    ),
    Check(
        "CONTENT_LENGTH_GUARDRAIL",
        _listed("ContentLengthGuardrail", "bytes (UTF-8)"),
        _own,
    ),
)
