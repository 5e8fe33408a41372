"""PromptTemplate and PromptDecorator: changes of a request before the backend."""

from __future__ import annotations

from collections.abc import Mapping as Table
from typing import Any, Final

from kapi.apis import report as codes
from kapi.apis.conf.nodes import items_at
from kapi.apis.conf.policy_part import ListedPolicy
from kapi.apis.conf.shapes import FLAG, SCRIPT_NAME, Items, Record, Text
from kapi.apis.report import Report
from kapi.apis.yaml_positions import Mapping, mark
from kapi.policies.guardrails.common import COMMON, DESCRIPTIONS, Check

_TEXT: Final = Text(1, 16 * 1024)
_PATH: Final = "$.messages"


def _needs(name: str, parameters: Mapping, pointer: str, report: Report) -> None:
    if not list(items_at(parameters, name, pointer)) and not report.has_within(pointer):
        place = mark(parameters, pointer)
        report.add(codes.MISSING, f"{name} is empty", place, "Write at least one.")


def _check_template(parameters: Mapping, pointer: str, report: Report) -> None:
    _needs("templates", parameters, pointer, report)


def _check_decorator(parameters: Mapping, pointer: str, report: Report) -> None:
    _needs("messages", parameters, pointer, report)


def _decoration(given: Table[str, Any]) -> dict[str, Any]:
    return {
        "path": given.get("jsonPath", _PATH),
        "messages": given["messages"],
        "append": given.get("append", False),
    }


CHECKS: Final = (
    Check(
        "PROMPT_TEMPLATE",
        ListedPolicy(
            "PromptTemplate",
            flows=("request",),
            both_levels=True,
            parameters=Record(
                {
                    **COMMON,
                    "templates": Items(
                        Record(
                            {"name": SCRIPT_NAME, "prompt": _TEXT}, ("name", "prompt")
                        ),
                        100,
                    ),
                },
                ("templates",),
            ),
            descriptions={
                **DESCRIPTIONS,
                "templates": "Prompts that a caller names as template://NAME?key=value.",
                "templates.name": "Name of the template.",
                "templates.prompt": "Its text; [[key]] is the value that the caller gives.",
            },
            example={"templates": [{"name": "ask", "prompt": "Explain [[what]]."}]},
            check=_check_template,
        ),
        lambda given: {"templates": given["templates"]},
    ),
    Check(
        "PROMPT_DECORATOR",
        ListedPolicy(
            "PromptDecorator",
            flows=("request",),
            both_levels=True,
            parameters=Record(
                {
                    **COMMON,
                    "messages": Items(
                        Record(
                            {"role": Text(1, 40), "content": _TEXT}, ("role", "content")
                        ),
                        20,
                    ),
                    "append": FLAG,
                },
                ("messages",),
            ),
            descriptions={
                **DESCRIPTIONS,
                "jsonPath": f"The list of messages, or a text. {_PATH} when left out.",
                "messages": "What is put before the caller's messages or text.",
                "messages.role": "Role of the message, such as system.",
                "messages.content": "Text of the message.",
                "append": "true puts it after them. false when left out.",
            },
            example={"messages": [{"role": "system", "content": "Answer briefly."}]},
            check=_check_decorator,
        ),
        _decoration,
    ),
)
