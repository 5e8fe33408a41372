"""`kapi user update`: what the command sends, and what it does if others change the person too."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from kapi.errors import Problem
from kapi.front.cli.commands.identity import users
from kapi.front.cli.kinds import changing
from kapi.front.cli.server.base import Answer

ADA = {"username": "ada", "organizations": ["org1"], "groups": ["staff"]}


class Platform:
    """A platform with one user; keeps the patches that it gets."""

    def __init__(self) -> None:
        self.user: dict[str, Any] = dict(ADA)
        self.patches: list[dict[str, Any]] = []
        self.others: list[str] = []
        """Groups that other commands add after each time the user is read."""

    def call(self, method: str, path: str, *, scope: str) -> dict[str, Any]:
        assert (method, path, scope) == ("GET", "/api/users", "kapi:users")
        return {"users": [self.user]}

    def system(self, method: str, path: str, *, scope: str) -> Answer:
        assert (method, path, scope) == ("GET", "/api/users/ada", "kapi:users")
        body = json.dumps(self.user).encode()
        answer = Answer(200, body, {"etag": self._tag()})
        if self.others:
            self.user["groups"] = [*self.user["groups"], self.others.pop(0)]
        return answer

    def answer(
        self,
        method: str,
        path: str,
        body: bytes,
        headers: dict[str, str],
        scopes: Sequence[str],
    ) -> Answer:
        assert (method, path, scopes) == ("PATCH", "/api/users/ada", ("kapi:users",))
        if headers["If-Match"] != self._tag():
            return Answer(412, b'{"code": 900944, "message": "The object has changed"}')
        self.patches.append(json.loads(body))
        self.user |= self.patches[-1]
        return Answer(200, json.dumps(self.user).encode())

    def _tag(self) -> str:
        return str(self.user["groups"])


@pytest.fixture
def platform(monkeypatch: pytest.MonkeyPatch) -> Platform:
    made = Platform()
    monkeypatch.setattr(users, "Client", lambda settings: made)
    monkeypatch.setattr(changing.time, "sleep", lambda seconds: None)
    return made


@pytest.mark.parametrize(
    ("options", "patch"),
    [
        ({"add_group": ["admins"]}, {"groups": ["staff", "admins"]}),
        ({"new_name": "grace"}, {"username": "grace"}),
        ({"super_admin": False}, {"super_admin": False}),
        (
            {"claim": ["email=a@example.org"], "remove_claim": ["phone"]},
            {"claims": {"phone": None, "email": "a@example.org"}},
        ),
    ],
)
def test_only_what_changes_is_sent(
    platform: Platform, options: dict[str, Any], patch: dict[str, Any]
) -> None:
    users.update("ada", **options)
    assert platform.patches == [patch]


def test_without_an_option_nothing_is_sent(platform: Platform) -> None:
    with pytest.raises(SystemExit) as stopped:
        users.update("ada")
    assert (stopped.value.code, platform.patches) == (2, [])


def test_a_group_that_another_command_adds_meanwhile_stays(platform: Platform) -> None:
    platform.others = ["night", "day"]
    users.update("ada", add_group=["admins"])
    assert platform.user["groups"] == ["staff", "night", "day", "admins"]


def test_a_person_whom_others_change_each_time_is_left_alone(
    platform: Platform,
) -> None:
    platform.others = [f"group-{number}" for number in range(50)]
    with pytest.raises(Problem, match="was changed by others 20 times") as refused:
        users.update("ada", add_group=["admins"])
    assert (refused.value.status, refused.value.hint) == (412, "Run the command again.")
    assert platform.patches == []
