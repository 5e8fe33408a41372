"""Options that may be anywhere on the line."""

from __future__ import annotations

import pytest

from kapi.front.cli import global_options

GROUPS = frozenset({"user"})


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("apis -o json", "apis -o json"),
        ("-o json apis", "apis -o json"),
        ("--output=json apis", "apis --output=json"),
        ("--data-dir d user list", "user list --data-dir d"),
        ("user --data-dir d list -o json", "user list --data-dir d -o json"),
        (
            "user -o yaml add ada --organization o",
            "user add ada --organization o -o yaml",
        ),
        ("--version", "--version"),
        ("call -d -o /a", "call -d -o /a"),
        ("--config f call -- -o", "call --config f -- -o"),
        ("", ""),
    ],
)
def test_they_are_moved_behind_the_names(given: str, read: str) -> None:
    assert global_options.arguments(given.split(), GROUPS) == read.split()


@pytest.mark.parametrize(
    "line", ["--server dev apis", "apis --server dev", "apis --server=dev -o json"]
)
def test_the_server_is_taken_out(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen: list[str] = []
    monkeypatch.setattr(global_options, "use_server", chosen.append)
    assert "--server" not in " ".join(global_options.arguments(line.split(), GROUPS))
    assert chosen == ["dev"]


def test_the_server_needs_a_value() -> None:
    with pytest.raises(SystemExit):
        global_options.arguments(["apis", "--server"], GROUPS)
