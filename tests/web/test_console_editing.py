"""The forms of the console: what they send, and what may be done to an object."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from kapi.front.web.console.editing.fields import (
    LINES,
    NUMBER,
    PAIRS,
    SWITCH,
    VALUE,
    WORDS,
    Field,
    NotJsonError,
    body_of,
    changes_of,
    text_of,
)
from kapi.front.web.console.editing.kinds import KINDS, Action, Kind, kind_named
from kapi.front.web.console.editing.versions import version_of


def kind(name: str) -> Kind:
    found = kind_named(name)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("name", "given", "body"),
    [
        ("users", {"username": "ada", "groups": "a  b", "organizations": ""}, None),
        (
            "issuers",
            {"name": "acme", "preset": "auth0", "parameters": "domain=a.example x=y=z"},
            {
                "name": "acme",
                "preset": "auth0",
                "parameters": {"domain": "a.example", "x": "y=z"},
            },
        ),
        (
            "subscriptions",
            {
                "application": "shelf",
                "api.name": "Pets",
                "api.version": "1",
                "admin": "yes",
            },
            {"application": "shelf", "api": {"name": "Pets", "version": "1"}},
        ),
        ("clients", {"scope": "a b", "token": "x"}, {"scope": "a b"}),
        (
            "api-keys",
            {"apis": "Pets 1.0.0\n\n* \n", "lifetime": "60", "permittedIP": ""},
            {
                "apis": [
                    {"name": "Pets", "version": "1.0.0"},
                    {"name": "*", "version": "*"},
                ],
                "lifetime": 60,
            },
        ),
    ],
)
def test_fields_become_members(name: str, given: dict[str, str], body: object) -> None:
    expected = body or {"username": "ada", "groups": ["a", "b"]}
    assert body_of(kind(name).fields, given) == expected


def test_actions_are_those_that_apply() -> None:
    users, subscriptions = kind("users"), kind("subscriptions")
    names = [
        item.name for item in users.actions_of({"username": "ada", "source": "store"})
    ]
    assert names == ["password", "disable", "remove"]
    assert users.actions_of({"username": "ada", "source": "settings"}) == ()
    assert [item.name for item in users.actions_of({"disabled": True})] == [
        "password",
        "enable",
        "remove",
    ]
    assert [item.name for item in subscriptions.actions_of({"status": "BLOCKED"})] == [
        "tier",
        "unblock",
        "remove",
    ]
    keys = kind("keys")
    states = {"active": [], "published": ["activate", "retire"], "retired": ["retire"]}
    for state, expected in states.items():
        assert [item.name for item in keys.actions_of({"state": state})] == expected
    assert kind("issuers").actions_of({"name": "acme", "declaredIn": "settings"}) == ()
    assert kind("api-keys").actions_of({"revoked": True}) == ()
    assert kind_named("nodes") is None


ROW = {"text": "a", "words": ["a", "b"], "lines": ["a b", "c"], "on": True, "number": 0}
ROW |= {"pairs": {"a": "1", "b": "2"}, "value": {"x": {"y": 1}, "z": 2}, "gone": "x"}
FIELDS = (
    Field("text", "Text"),
    Field("words", "Words", WORDS),
    Field("lines", "Lines", LINES),
    Field("on", "On", SWITCH),
    Field("off", "Off", SWITCH),
    Field("number", "Number", NUMBER),
    Field("pairs", "Pairs", PAIRS),
    Field("value", "Value", VALUE),
    Field("gone", "Gone"),
)


def test_only_what_was_changed_is_sent() -> None:
    shown = {field.name: text_of(field, ROW) for field in FIELDS}
    assert changes_of(FIELDS, shown, ROW) == {}
    typed = {
        **shown,
        "lines": "a b\n\nc \nd",
        "on": "",
        "off": "yes",
        "number": "7",
        "gone": "",
    }
    typed |= {"pairs": "a=1 c=3", "value": '{"z": 3}'}
    assert changes_of(FIELDS, typed, ROW) == {
        "lines": ["a b", "c", "d"],
        "on": False,
        "off": True,
        "number": 7,
        "pairs": {"a": "1", "b": None, "c": "3"},
        "value": {"x": None, "z": 3},
        "gone": None,
    }
    other = {**shown, "member": "token_lifetime", "content": "60"}
    assert changes_of(FIELDS, other, ROW) == {"token_lifetime": 60}
    for wrong in ({**shown, "value": "{"}, {**other, "content": ""}):
        with pytest.raises(NotJsonError):
            changes_of(FIELDS, wrong, ROW)
    assert changes_of(FIELDS, {**shown, "number": "many"}, ROW) == {"number": "many"}


def test_a_version_is_of_what_the_fields_show() -> None:
    first = version_of(FIELDS, ROW)
    assert version_of(FIELDS, {**ROW, "other": 1}) == first
    assert version_of(FIELDS, {**ROW, "text": "b"}) != first


def test_an_identifier_stays_one_segment_of_the_path() -> None:
    for item in KINDS:
        for action in item.actions:
            path = action.path_of("../keys/rotate?x#y")
            assert "rotate?x" not in path
            assert path.startswith(f"/api/{item.name}/..%2Fkeys%2Frotate%3Fx%23y")


def names(items: Iterable[Field | Action]) -> list[str]:
    return [item.name for item in items]


def test_what_cannot_be_undone_is_confirmed() -> None:
    final = {}
    for item in KINDS:
        actions = (*item.actions, *item.common)
        final[item.name] = names(action for action in actions if action.is_final)
    assert final == {
        "issuers": [],
        "keys": ["retire", "rotate"],
        "clients": ["secret", "remove"],
        "users": ["password", "remove"],
        "applications": ["remove"],
        "subscriptions": [],
        "api-keys": ["revoke"],
    }


def test_what_cannot_be_left_empty() -> None:
    needed = {}
    for item in KINDS:
        fields = [*item.fields, *item.changes]
        for action in (*item.actions, *item.common):
            fields += action.fields
        needed[item.name] = names(field for field in fields if field.required)
    assert needed == {
        "issuers": ["name"],
        "keys": ["algorithm", "algorithm"],
        "clients": ["grant_types"],
        "users": ["username", "password", "password"],
        "applications": ["name", "name"],
        "subscriptions": ["application", "api.name", "tier"],
        "api-keys": ["apis"],
    }
