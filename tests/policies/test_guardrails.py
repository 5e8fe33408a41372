"""Bounds of what a deployment accepts in guardrails: sizes of patterns and depths of JSON
schemas.
"""

from __future__ import annotations

from typing import Any

import pytest
from test_conf_parts import use

from kapi.errors import Invalid
from kapi.policies.guardrails.patterns import pattern_fault


@pytest.mark.parametrize(
    ("largest", "larger"),
    [
        ("a{20000}", "a{20001}"),
        ("(?i)a{20000}", "(?i)a{20001}"),
        (r"\w{200}", r"\w{201}"),
        ("(ab){10000}", "(ab){10001}"),
        ("((a{10}){10}){200}", "((a{10}){10}){201}"),
    ],
)
def test_a_pattern_has_at_most_twenty_thousand_steps(largest: str, larger: str) -> None:
    assert pattern_fault(largest) is None
    assert pattern_fault(larger) is not None


def nested(levels: int, keyword: str) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    for _ in range(levels):
        inner: Any = schema
        if keyword == "allOf":
            inner = [schema]
        if keyword == "properties":
            inner = {"a": schema}
        schema = {keyword: inner}
    return schema


@pytest.mark.parametrize("keyword", ["not", "allOf", "properties"])
def test_a_schema_has_at_most_32_levels_below_the_first(keyword: str) -> None:
    use("JSONSchemaGuardrail", "api", "request", {"schema": nested(32, keyword)})
    with pytest.raises(Invalid, match="is not a schema"):
        use("JSONSchemaGuardrail", "api", "request", {"schema": nested(33, keyword)})


@pytest.mark.parametrize("kind", ["object", "null", ["string", "integer"]])
def test_types_of_json_schema_are_known(kind: Any) -> None:
    use("JSONSchemaGuardrail", "api", "request", {"schema": {"type": kind}})


def test_one_limit_of_a_count_is_enough_and_both_may_be_equal() -> None:
    for limits in ({"min": 1}, {"max": 1}, {"min": 1, "max": 1}):
        use("WordCountGuardrail", "api", "request", limits)
    with pytest.raises(Invalid, match="min 2 is more than max 1"):
        use("WordCountGuardrail", "api", "request", {"min": 2, "max": 1})
