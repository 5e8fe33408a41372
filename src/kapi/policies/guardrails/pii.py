"""PIIMaskingGuardrail: personal data becomes placeholders before the backend, or is redacted.

The answer gets the originals back in place of the placeholders.
"""

from __future__ import annotations

from collections.abc import Mapping as Table
from typing import Any, Final

from kapi.apis import report as codes
from kapi.apis.conf.nodes import check_text, mappings_at, text_at
from kapi.apis.conf.policy_part import ListedPolicy
from kapi.apis.conf.shapes import FLAG, Items, Record, Text
from kapi.apis.report import Report
from kapi.apis.yaml_positions import Mapping, mark
from kapi.policies.guardrails.common import COMMON, DESCRIPTIONS, Check
from kapi.policies.guardrails.patterns import LONGEST, pattern_fault

KNOWN: Final = {
    "EMAIL": r"(?i)\b[a-z0-9._%+-]{1,64}@[a-z0-9.-]{1,80}\.[a-z]{2,24}\b",
    "PHONE": (
        r"\+[0-9]{1,3}(?:[ .()-]{0,2}[0-9]{2,4}){2,5}\b"
        r"|\(?\b[0-9]{3}\)?[ .-][0-9]{3}[ .-][0-9]{4}\b"
    ),
    "CREDIT_CARD": r"\b(?:[0-9][ -]?){12,18}[0-9]\b",
    "IBAN": r"\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b",
    "SSN": r"\b[0-9]{3}-[0-9]{2}-[0-9]{4}\b",
    "IP_ADDRESS": r"\b(?:[0-9]{1,3}\.){3}[0-9]{1,3}\b",
}
"""Patterns of the usual kinds. A number that looks like one is masked too."""


def _check(parameters: Mapping, pointer: str, report: Report) -> None:
    if not list(mappings_at(parameters, "entities", pointer)) and not report.has_within(
        pointer
    ):
        hint = f"Name some: {', '.join(KNOWN)}, or a name with a regex."
        report.add(codes.MISSING, "entities is empty", mark(parameters, pointer), hint)
    for entity, here in mappings_at(parameters, "entities", pointer):
        check_text(entity, "regex", pattern_fault, codes.FORMAT, report, here)
        name = text_at(entity, "name")
        if "regex" not in entity.entries and name not in KNOWN:
            hint = f"Give its regex, or use one of {', '.join(KNOWN)}."
            report.add(
                codes.MISSING, f"{name[:40]} has no regex", mark(entity, here), hint
            )


def _own(given: Table[str, Any]) -> dict[str, Any]:
    entities = [
        {"name": item["name"], "regex": item.get("regex") or KNOWN[item["name"]]}
        for item in given["entities"]
    ]
    return {"entities": entities, "redact": given.get("redact", False)}


CHECK: Final = Check(
    "PII_MASKING_GUARDRAIL",
    ListedPolicy(
        "PIIMaskingGuardrail",
        flows=("request", "response"),
        both_levels=True,
        parameters=Record(
            {
                **COMMON,
                "entities": Items(
                    Record(
                        {
                            "name": Text(1, 40, pattern="[A-Z][A-Z0-9_]*"),
                            "regex": Text(1, LONGEST),
                        },
                        ("name",),
                    ),
                    30,
                ),
                "redact": FLAG,
            },
            ("entities",),
        ),
        descriptions={
            **DESCRIPTIONS,
            "entities": "Kinds of personal data, in the order in which they are looked for.",
            "entities.name": f"{', '.join(KNOWN)}, or a name of your own in capital letters.",
            "entities.regex": "Its pattern, of the Rust crate regex; known for the names above.",
            "redact": (
                "true writes ***** and gives nothing back. false when left out: [EMAIL_0000], and"
                " the answer gets the original back. The response flow always redacts."
            ),
        },
        example={
            "entities": [{"name": "EMAIL"}, {"name": "CUSTOMER", "regex": "C-[0-9]{6}"}]
        },
        check=_check,
    ),
    _own,
)
