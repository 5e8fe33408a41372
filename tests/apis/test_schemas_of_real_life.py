"""What published GraphQL schemas hold although the specification or its newest rules forbid it."""

from __future__ import annotations

import pytest

from kapi.apis.compile import compile_api
from kapi.apis.generate import Generated, generated
from kapi.apis.model.choices import Choices
from kapi.errors import Invalid
from kapi.policies import POLICIES

BACKEND = Choices(production="http://backend:8080")
QUERY = "type Query { hero: Hero }\n"


def made(text: str) -> Generated:
    result = generated(text.encode(), "GRAPHQL", "shop.graphql", BACKEND)
    compile_api(
        result.conf_text.encode(),
        text.encode(),
        organization="default",
        policies=POLICIES,
    )
    return result


def messages(result: Generated) -> str:
    return "\n".join(item.message for item in result.warnings)


def test_a_field_that_is_defined_twice_alike_is_a_warning() -> None:
    twice = '"one" name(a: Int = 1): String @deprecated'
    result = made(
        QUERY + f"type Hero {{ {twice} {twice.replace('one', 'other')} id: ID }}"
    )
    assert "Hero defines name twice" in messages(result)
    assert 'target: "hero"' in result.conf_text
    root = made("type Query { hero: ID hero: ID } ")
    assert root.conf_text.count('target: "hero"') == 1


@pytest.mark.parametrize(
    "other", ["name: Int", "name: String!", "name(a: Int): String"]
)
def test_a_field_that_is_defined_twice_in_two_ways_is_a_mistake(other: str) -> None:
    with pytest.raises(Invalid) as caught:
        made(QUERY + f"type Hero {{ name: String {other} }}")
    assert "can only be defined once" in caught.value.diagnostics[0].message


def test_rules_about_deprecation_are_warnings() -> None:
    result = made(
        QUERY
        + "interface Node { id: ID }\n"
        + 'type Hero implements Node { id: ID @deprecated(reason: "old") name: String }'
    )
    assert "must not be deprecated" in messages(result)
