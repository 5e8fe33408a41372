"""The console's parts without a platform: roles, forms, figures, and the files that pages load."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.requests import Request

from kapi.errors import Problem
from kapi.front.web.console.pages import content_of
from kapi.front.web.console.sessions import (
    OPERATOR,
    READER,
    Session,
    Sessions,
    is_own_form,
)
from kapi.front.web.console.summary import figures_of
from kapi.identity.accounts.users import Users
from kapi.identity.issuers.verify import Principal
from kapi.settings import (
    ConsoleSettings,
    GatewaySettings,
    IdentitySettings,
    Settings,
    UserSettings,
)
from kapi.store.accounts import Ending, end_account
from kapi.store.engine.database import Database
from kapi.store.families import Families
from kapi.store.revocations import TOPIC as REVOCATIONS
from kapi.store.users import UserStore

NOW = 1_800_000_000
PEOPLE = (
    UserSettings("olivia", "x", ("acme",), groups=("kapi-operators",)),
    UserSettings("rita", "x", ("acme",), groups=("kapi-readers", "sales")),
    UserSettings("nora", "x", ("acme",), groups=("sales",)),
    UserSettings("root", "x", super_admin=True),
)


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return float(self.now)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database.open(tmp_path / "kapi.db")
    yield opened
    opened.close()


def sessions_of(database: Database, clock: Clock, *people: UserSettings) -> Sessions:
    settings = Settings(Path("/nowhere"))
    users = Users(people, UserStore(database))
    numbers = itertools.count()
    return Sessions(
        settings, database, lambda size: b"%0*d" % (size, next(numbers)), clock, users
    )


def browser(cookie: str = "", **headers: str) -> Request:
    sent = [(b"cookie", cookie.partition(";")[0].encode())]
    sent += [
        (name.replace("_", "-").encode(), value.encode())
        for name, value in headers.items()
    ]
    return Request({"type": "http", "method": "GET", "path": "/", "headers": sent})


@pytest.mark.parametrize(
    ("person", "role"),
    [("olivia", OPERATOR), ("rita", READER), ("nora", ""), ("root", OPERATOR)],
)
def test_the_role_is_that_of_the_groups(
    database: Database, clock: Clock, person: str, role: str
) -> None:
    cookie, got = sessions_of(database, clock, *PEOPLE).start(
        Principal(person, "kapi-console", frozenset(), "acme")
    )
    assert got == role
    assert bool(cookie) == bool(role)


def test_a_cookie_has_all_protections(database: Database, clock: Clock) -> None:
    cookie, _ = sessions_of(database, clock, *PEOPLE).start(
        Principal("olivia", "kapi-console", frozenset(), "acme")
    )
    name, _, secret = cookie.partition(";")[0].partition("=")
    assert name == "__Host-kapi-console"
    assert len(secret) == 43, "256 random bits"
    assert cookie.endswith("; Path=/; Max-Age=28800; Secure; HttpOnly; SameSite=Lax")


def test_a_session_ends_with_its_time_and_with_the_group(
    database: Database, clock: Clock
) -> None:
    sessions = sessions_of(database, clock, *PEOPLE)
    cookie, _ = sessions.start(Principal("rita", "kapi-console", frozenset(), "acme"))
    session = sessions.of(browser(cookie))
    assert session is not None
    assert (session.username, session.organization, session.of_platform) == (
        "rita",
        "acme",
        False,
    )
    moved = UserSettings("rita", "x", ("acme",), groups=("sales",))
    assert sessions_of(database, clock, moved).of(browser(cookie)) is None
    assert sessions_of(database, clock).of(browser(cookie)) is None
    clock.now += 28800
    assert sessions.of(browser(cookie)) is None


def test_the_oldest_session_of_a_person_makes_room_for_a_new_one(
    database: Database, clock: Clock
) -> None:
    sessions = sessions_of(database, clock, *PEOPLE)
    olivia = sessions.start(Principal("olivia", "kapi-console", frozenset(), "acme"))[0]
    rita = Principal("rita", "kapi-console", frozenset(), "acme")
    first = sessions.start(rita)[0]
    clock.now += 1
    cookies = []
    for _ in range(20):
        assert sessions.of(browser(first)) is not None
        cookies.append(sessions.start(rita)[0])
    assert sessions.of(browser(first)) is None
    for cookie in (olivia, *cookies):
        assert sessions.of(browser(cookie)) is not None


RITA = Principal("rita", "kapi-console", frozenset(), "acme", token="jti-of-rita")


def end(database: Database, subject: str, now: int) -> None:
    """End an account, as another password does."""
    ending = Ending(IdentitySettings().issuer, now, "the password was changed")
    with database.transaction(REVOCATIONS) as db:
        end_account(db, subject, ending)


@pytest.mark.parametrize("seconds", [0, 1])
def test_a_session_ends_with_its_account(
    database: Database, clock: Clock, seconds: int
) -> None:
    """Also within the second in which it began."""
    sessions = sessions_of(database, clock, *PEOPLE)
    olivia = Principal("olivia", "kapi-console", frozenset(), "acme")
    other, cookie = sessions.start(olivia)[0], sessions.start(RITA)[0]
    clock.now += seconds
    end(database, "rita", clock.now)
    assert sessions.of(browser(cookie)) is None
    assert sessions.of(browser(other)) is not None


def test_the_sessions_of_all_people_have_a_limit(
    database: Database, clock: Clock
) -> None:
    sessions = sessions_of(database, clock, *PEOPLE)
    first = sessions.start(RITA)[0]
    others = [(f"key{number}", f"person{number}") for number in range(4999)]
    with database.transaction() as db:
        db.executemany(
            "INSERT INTO records (kind, key, family, payload, expires_at, holder)"
            f" VALUES ('console-session', ?, '', '{{}}', {NOW + 90000}, ?)",
            others,
        )
    assert sessions.of(browser(first)) is not None
    clock.now += 1
    second = sessions.start(RITA)[0]
    assert sessions.of(browser(first)) is None, "5000 were there"
    assert sessions.of(browser(second)) is not None
    ((count,),) = database.rows("SELECT count(*) FROM records")
    assert count == 5000


def test_a_session_after_the_end_of_the_account_stays(
    database: Database, clock: Clock
) -> None:
    """A person with another password is signed in again, also within the same second."""
    sessions = sessions_of(database, clock, *PEOPLE)
    end(database, "rita", clock.now)
    cookie, role = sessions.start(RITA)
    assert role == READER
    assert sessions.of(browser(cookie)) is not None
    clock.now += 1
    assert sessions.of(browser(cookie)) is not None


def test_an_account_that_ends_during_the_sign_in_gets_no_session(
    database: Database, clock: Clock
) -> None:
    """The token of the sign-in was issued before, and ends with the account."""
    Families(database).tie("rita", RITA.token, NOW + 60)
    end(database, "rita", NOW)
    sessions = sessions_of(database, clock, *PEOPLE)
    with pytest.raises(Problem, match="Your account has changed") as refused:
        sessions.start(RITA)
    assert (refused.value.status, refused.value.title) == (400, "The sign-in failed")
    assert database.rows("SELECT 1 FROM records WHERE kind = 'console-session'") == []


@pytest.mark.parametrize(("seconds", "stays"), [(0, True), (1, False)])
def test_a_session_of_an_account_that_an_older_node_ended(
    database: Database, clock: Clock, seconds: int, *, stays: bool
) -> None:
    """It notes when the account ended, and does not know the sessions of the console."""
    sessions = sessions_of(database, clock, *PEOPLE)
    cookie, _ = sessions.start(RITA)
    with database.transaction() as db:
        db.execute("INSERT INTO ended_accounts VALUES (?, ?)", ("rita", NOW + seconds))
    assert (sessions.of(browser(cookie)) is not None) is stays


@pytest.mark.parametrize(
    ("before", "after", "stays"),
    [
        (("default", "acme"), ("acme",), False),
        (("default", "acme"), ("default",), True),
        ((), ("acme",), False),
        ((), (), True),
    ],
)
def test_a_session_ends_with_its_organization(
    database: Database,
    clock: Clock,
    before: tuple[str, ...],
    after: tuple[str, ...],
    *,
    stays: bool,
) -> None:
    olivia = replace(PEOPLE[0], organizations=before)
    principal = Principal(
        "olivia", "kapi-console", frozenset(), "default" if before else ""
    )
    cookie, _ = sessions_of(database, clock, olivia).start(principal)
    moved = replace(olivia, organizations=after)
    session = sessions_of(database, clock, moved).of(browser(cookie))
    assert (session is not None) is stays


SITES = {"same-origin": True, "none": True, "same-site": False, "cross-site": False}


def test_a_form_needs_the_token_of_its_session() -> None:
    session = Session(
        "olivia", "olivia", "acme", of_platform=False, role=OPERATOR, secret="s"
    )
    other = Session(
        "olivia", "olivia", "acme", of_platform=False, role=OPERATOR, secret="t"
    )
    assert is_own_form(browser(), session, session.form_token)
    assert not is_own_form(browser(), session, other.form_token)
    assert not is_own_form(browser(), session, "")
    assert not is_own_form(
        browser(sec_fetch_site="cross-site"), session, session.form_token
    )
    for site, is_own in SITES.items():
        request = browser(sec_fetch_site=site)
        assert is_own_form(request, session, session.form_token) is is_own
    assert "'s'" not in repr(session)


def test_figures() -> None:
    calls = [
        {"time": "2026-11-27T10:00:05Z", "status": 200, "microseconds": 2000},
        {"time": "2026-11-27T10:00:06Z", "status": 503, "microseconds": 9000},
        {
            "time": "2026-11-27T10:02:00Z",
            "status": 401,
            "microseconds": 1000,
            "decision": "refused",
            "reason": "no token",
        },
        {"time": "then"},
    ]
    figures = figures_of(calls)
    assert (figures.calls, figures.refused, figures.failed) == (4, 1, 1)
    assert (figures.median, figures.slowest) == (2.0, 9.0)
    assert figures.reasons == (("no token", 1),)
    assert figures_of([]).median == 0


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        (
            "htmx.min.js",
            "d6fdc75f204e6bdefa99b69bf1e6d4ac69b8a364f77929f45c13476b4000f717",
        ),
        (
            "uPlot.iife.min.js",
            "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
        ),
        (
            "uPlot.min.css",
            "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
        ),
    ],
)
def test_libraries_are_those_of_their_packages(name: str, digest: str) -> None:
    """htmx.org 2.0.11 and uplot 1.6.32 of the npm registry."""
    assert hashlib.sha256(content_of(name)).hexdigest() == digest


def test_without_the_provider_or_switched_off_there_is_no_console() -> None:
    assert Settings(Path("/n")).console_hosts == (
        "console.am.wso2.com",
        "console.localhost",
    )
    plain = GatewaySettings(localhost_names=False)
    assert Settings(Path("/n"), gateway=plain).console_hosts == ("console.am.wso2.com",)
    assert Settings(Path("/n"), IdentitySettings(enabled=False)).console_hosts == ()
    assert (
        Settings(Path("/n"), console=ConsoleSettings(enabled=False)).console_hosts == ()
    )


def test_the_console_needs_a_host_of_its_own() -> None:
    settings = Settings(Path("/n"), console=ConsoleSettings(host="api.am.wso2.com"))
    assert [mistake.where for mistake in settings.mistakes()] == [".console.host"]
