"""`kapi session revoke` and `kapi consent revoke` with filters: all that match, page by page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from kapi.front.cli.commands.identity import sessions

_MORE_THAN_A_LIST: int = 10_001


class Platform:
    """A platform with this number of sessions or consents; keeps what is asked of it."""

    def __init__(self, number: int) -> None:
        self.there = {f"{item:05}": {"id": f"{item:05}"} for item in range(number)}
        self.shown: list[str] = []

    def call(self, method: str, path: str, *, scope: str) -> dict[str, Any]:
        assert (method, scope) == ("GET", "kapi:users")
        parts = urlsplit(path)
        member = parts.path.split("/")[2]
        if parts.path != f"/api/{member}":
            self.shown.append(parts.path)
            return self.there[parts.path.rpartition("/")[2]]
        query = parse_qs(parts.query)
        assert query["user"] == ["ada"]
        most, after = int(query["limit"][0]), query.get("after", [""])[0]
        rest = [name for name in sorted(self.there) if name > after]
        place = rest[most - 1] if len(rest) > most else ""
        return {member: [self.there[name] for name in rest[:most]], "next": place}

    def system(self, method: str, path: str, *, scope: str) -> None:
        assert (method, scope) == ("DELETE", "kapi:users")
        del self.there[path.rpartition("/")[2]]


@pytest.mark.parametrize(
    "command", [sessions.revoke_sessions, sessions.revoke_consents]
)
def test_all_that_match_are_revoked_however_many_there_are(
    command: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    platform = Platform(_MORE_THAN_A_LIST)
    monkeypatch.setattr(sessions, "Client", lambda settings: platform)
    command(user="ada")
    assert platform.there == {}
    assert platform.shown == []
    said = capsys.readouterr().err.splitlines()
    assert len(said) == _MORE_THAN_A_LIST
    command(user="ada")
    assert capsys.readouterr().err.splitlines() == [f"no {said[0].split()[1]}"]
