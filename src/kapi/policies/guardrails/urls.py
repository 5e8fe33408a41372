"""URLGuardrail: the hosts of the URLs in a text. The gateway does not call them."""

from __future__ import annotations

from collections.abc import Mapping as Table
from typing import Any, Final

from kapi.apis.conf.policy_part import ListedPolicy
from kapi.apis.conf.shapes import Items, Record, Text
from kapi.policies.guardrails.common import COMMON, DESCRIPTIONS, Check

_HOST: Final = Text(
    1,
    253,
    pattern=r"(\*\.)?[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*",
    hint="Write a host, such as example.com, or *.example.com for the hosts below it.",
)


def _own(given: Table[str, Any]) -> dict[str, Any]:
    return {
        "allowed": given.get("allowedHosts", []),
        "denied": given.get("deniedHosts", []),
    }


CHECK: Final = Check(
    "URL_GUARDRAIL",
    ListedPolicy(
        "URLGuardrail",
        flows=("request", "response"),
        both_levels=True,
        parameters=Record(
            {
                **COMMON,
                "allowedHosts": Items(_HOST, 100),
                "deniedHosts": Items(_HOST, 100),
            }
        ),
        descriptions={
            **DESCRIPTIONS,
            "allowedHosts": "Hosts whose URLs are allowed; with neither list, no URL is.",
            "deniedHosts": "Hosts whose URLs are refused; alone, it allows all others.",
        },
        example={"allowedHosts": ["example.com", "*.example.com"]},
        needs_parameters=False,
    ),
    _own,
)
