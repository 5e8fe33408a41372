"""The shape check that the system APIs share: all mistakes of a body at once, each with its
place.
"""

from __future__ import annotations

from typing import Any

import pytest

from kapi import error_codes
from kapi.errors import Invalid
from kapi.front.web.http.shapes import Member, Shape, one_of

API = Member(
    dict, members={"name": Member(str, required=True), "version": Member(str, "*")}
)
SHAPE = Shape(
    "thing",
    error_codes.INVALID_REQUEST,
    {
        "name": Member(str, required=True, hint="Give it a name."),
        "kind": Member(str, "jwt", rule=one_of("jwt", "opaque")),
        "now": Member(bool, False),
        "lifetime": Member(int, 0),
        "api": API,
    },
)


def mistakes(body: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(Invalid) as raised:
        SHAPE.read(body)
    assert (raised.value.status, raised.value.code) == (400, "909018")
    return {item.pointer: item.message for item in raised.value.diagnostics}


def test_absent_members_have_their_defaults() -> None:
    assert SHAPE.read({"name": "x", "api": {"name": "Echo"}}) == {
        "name": "x",
        "kind": "jwt",
        "now": False,
        "lifetime": 0,
        "api": {"name": "Echo", "version": "*"},
    }
    assert SHAPE.read({"name": "x"})["api"] == {"name": None, "version": "*"}


def test_all_mistakes_are_named_with_their_places() -> None:
    body = {
        "kind": "x",
        "now": 1,
        "lifetime": True,
        "api": {"version": 1},
        "a/b~c.d": 1,
    }
    assert mistakes(body) == {
        "#/a~1b~0c.d": "a/b~c.d: unknown member",
        "#/name": "name: is missing",
        "#/kind": "kind: must be one of jwt, opaque",
        "#/now": "now: must be true or false",
        "#/lifetime": "lifetime: must be a whole number",
        "#/api/name": "api.name: is missing",
        "#/api/version": "api.version: must be a text",
    }


@pytest.mark.parametrize(
    ("value", "message"),
    [(None, "must be a text"), (1, "must be a text"), (["x"], "must be a text")],
)
def test_a_member_of_another_type(value: Any, message: str) -> None:
    assert mistakes({"name": value}) == {"#/name": f"name: {message}"}


def test_a_hint_says_what_to_do() -> None:
    with pytest.raises(Invalid) as raised:
        SHAPE.read({})
    assert raised.value.hint == "Give it a name."


def test_an_answer_names_a_bounded_number_of_mistakes() -> None:
    assert len(mistakes({f"m{number}": 1 for number in range(5000)})) == 100
