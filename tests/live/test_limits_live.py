"""Limits on what strangers can do to the sign-in pages, with two identity workers and over a restart."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness import Platform, free_port
from kapi.settings import WELL_KNOWN_CLIENT_ID as CLIENT
from person import Page, Person, authorize_path, over_https

CALLBACK = "http://httpbin.org"


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    running = Platform(free_port(), tmp_path_factory.mktemp("kapi") / "data", arguments=("--workers", "2"))
    running.start()
    yield running
    running.stop()
    logs = "".join(path.read_text() for path in (running.data_dir / "logs").glob("*.log"))
    assert "Traceback" not in logs


def person_at(platform: Platform) -> Person:
    return Person(over_https(platform.port))


def tried(person: Person, username: str, password: str = "", organization: str = "") -> Page:
    page = person.open(authorize_path(CLIENT, CALLBACK))
    return person.sign_in(page, username, password, organization)


def test_wrong_passwords_are_counted_for_all_workers_together_and_over_a_restart(platform: Platform) -> None:
    owner = person_at(platform)
    assert "Allow" in tried(owner, "org1user", organization="org1").text
    owner.cookies.pop("__Host-kapi-session")
    for number in range(10):
        assert "is not right" in tried(person_at(platform), "org1user", f"guess {number}").text

    def is_shut() -> bool:
        # Enough for both workers to be asked.
        return all("Too many tries" in tried(person_at(platform), "org1user", organization="org1").text for _ in range(8))

    assert is_shut()
    platform.stop()
    platform.start()
    assert is_shut()
    assert "Allow" in tried(person_at(platform), "org2user", organization="org2").text
    assert "Allow" in tried(owner, "org1user", organization="org1").text
