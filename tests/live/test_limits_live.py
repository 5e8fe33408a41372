"""Limits on what strangers can do to the sign-in pages, with two identity workers and over a
restart.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

import pytest

from harness import BASIC, Platform, free_port
from kapi.settings import WELL_KNOWN_CLIENT_ID as CLIENT
from person import Page, Person, Pkce, authorize_path, over_https

CALLBACK = "http://httpbin.org"


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    running = Platform(
        free_port(),
        tmp_path_factory.mktemp("kapi") / "data",
        arguments=("--workers", "2"),
    )
    running.start()
    yield running
    running.stop()
    logs = "".join(
        path.read_text() for path in (running.data_dir / "logs").glob("*.log")
    )
    assert "Traceback" not in logs


def person_at(platform: Platform) -> Person:
    return Person(over_https(platform.port))


def tried(
    person: Person, username: str, password: str = "", organization: str = ""
) -> Page:
    page = person.open(authorize_path(CLIENT, CALLBACK))
    return person.sign_in(page, username, password, organization)


def test_wrong_passwords_are_counted_for_all_workers_together_and_over_a_restart(
    platform: Platform,
) -> None:
    owner = person_at(platform)
    assert "Allow" in tried(owner, "org1user", organization="org1").text
    owner.cookies.pop("__Host-kapi-session")
    for number in range(10):
        assert (
            "is not right"
            in tried(person_at(platform), "org1user", f"guess {number}").text
        )

    def is_shut() -> bool:
        # Enough for both workers to be asked.
        return all(
            "Too many tries"
            in tried(person_at(platform), "org1user", organization="org1").text
            for _ in range(8)
        )

    assert is_shut()
    platform.stop()
    platform.start()
    assert is_shut()
    assert "Allow" in tried(person_at(platform), "org2user", organization="org2").text
    assert "Allow" in tried(owner, "org1user", organization="org1").text


def records(platform: Platform, kind: str = "%") -> int:
    with sqlite3.connect(platform.data_dir / "kapi.db") as db:
        return int(
            db.execute(
                "SELECT count(*) FROM records WHERE kind LIKE ?", (kind,)
            ).fetchone()[0]
        )


def size(platform: Platform) -> int:
    return sum(path.stat().st_size for path in platform.data_dir.glob("kapi.db*"))


def test_a_flood_of_sign_in_pages_fills_nothing_and_keeps_nobody_from_signing_in(
    platform: Platform,
) -> None:
    before, bytes_before = records(platform), size(platform)
    early = person_at(platform)
    page = early.open(authorize_path(CLIENT, CALLBACK, x_note="n" * 9000))
    send = over_https(platform.port, keep=True)
    with ThreadPoolExecutor(4) as pool:
        flood = pool.map(
            lambda number: send(
                "GET", authorize_path(CLIENT, CALLBACK, nonce=f"{number}"), b"", {}
            ),
            range(1500),
        )
        # In the midst of it.
        assert "Allow" in early.sign_in(page, "org2user", organization="org2").text
        assert {answer.status for answer in flood} == {303}
    # The session, what was noted in it, and that this browser is known.
    assert records(platform) - before <= 3
    assert size(platform) - bytes_before < 500_000
    assert "Allow" in tried(person_at(platform), "superAdmin").text


def test_a_flood_of_pushed_requests_is_told_when_to_come_again(
    platform: Platform,
) -> None:
    body = urlencode(
        {
            "response_type": "code",
            "redirect_uri": CALLBACK,
            "code_challenge": Pkce().challenge,
            "code_challenge_method": "S256",
        }
    )
    headers = {
        "authorization": f"Basic {BASIC}",
        "content-type": "application/x-www-form-urlencoded",
    }
    send = over_https(platform.port, keep=True)
    with ThreadPoolExecutor(4) as pool:
        answers = list(
            pool.map(
                lambda _: send("POST", "/oauth2/par", body.encode(), headers),
                range(1200),
            )
        )
    # Both workers count together.
    counted = Counter(answer.status for answer in answers)
    assert (counted[201], counted[429]) == (1000, 200), counted
    refused = next(answer for answer in answers if answer.status == 429)
    assert 0 < int(refused.header("retry-after")) <= 90
    assert refused.json()["error"] == "temporarily_unavailable"
    assert records(platform, "pushed-request") == 1000
    assert "Allow" in tried(person_at(platform), "superAdmin").text
