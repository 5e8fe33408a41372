"""`kapi user` and the users API against a running platform."""

from __future__ import annotations

import json

import pytest

from flows import CALLBACK, redeem
from harness import DEFINITION, Platform, conf
from kapi.settings import WELL_KNOWN_CLIENT_ID as CLIENT
from kapi.settings import WELL_KNOWN_CLIENT_SECRET as CLIENT_SECRET
from person import Person, authorize_path, claims_of, over_https
from waiting import until

IDP = "idp.am.wso2.com"


def test_people_come_and_go_by_command(platform: Platform) -> None:
    added = (
        "user",
        "add",
        "ada",
        "--organization",
        "org1",
        "--group",
        "staff",
        "--claim",
        "email=ada@example.com",
        "--password-stdin",
    )
    platform.cli(*added, stdin="correct horse\n")
    assert platform.cli(*added, stdin="correct horse\n", check=False).returncode == 1
    users = {
        user["username"]: user
        for user in json.loads(platform.cli("user", "list", "-o", "json").stdout)[
            "users"
        ]
    }
    first = users["ada"].pop("subject")
    assert users["ada"] == {
        "username": "ada", "source": "store", "organizations": ["org1"], "groups": ["staff"],
        "claims": {"email": "ada@example.com"}, "token_claims": {}, "super_admin": False,
    }  # fmt: skip
    assert users["superAdmin"]["source"] == "settings"
    platform.cli("user", "passwd", "ada", "--password-stdin", stdin="battery staple\n")
    assert (
        platform.cli(
            "user",
            "passwd",
            "superAdmin",
            "--password-stdin",
            stdin="battery staple\n",
            check=False,
        ).returncode
        == 1
    )
    platform.cli("user", "disable", "ada")
    shown = {
        user["username"]: user
        for user in json.loads(platform.cli("user", "list", "-o", "json").stdout)[
            "users"
        ]
    }
    assert shown["ada"]["disabled"]
    platform.cli("user", "enable", "ada")
    platform.cli("user", "remove", "ada")
    assert platform.cli("user", "remove", "ada", check=False).returncode == 5
    platform.cli(*added, stdin="correct horse\n")
    again = {
        user["username"]: user
        for user in json.loads(platform.cli("user", "list", "-o", "json").stdout)[
            "users"
        ]
    }
    assert again["ada"]["subject"] != first
    platform.cli("user", "remove", "ada")
    assert "battery" not in platform.output() + "".join(
        path.read_text() for path in (platform.data_dir / "logs").glob("*.log")
    )


BAD = {
    "no JSON": ("{", 400),
    "no object": ("[1]", 400),
    "nested too deep": ("[" * 30_000, 400),
    "nothing": ("{}", 400),
    "no password": ('{"username": "x"}', 400),
    "a short password": ('{"username": "x", "password": "short"}', 400),
    "an unknown member": (
        '{"username": "x", "password": "correct horse", "admin": true}',
        400,
    ),
    "a wrong type": ('{"username": 7, "password": "correct horse"}', 400),
    "a file": ('{"username": "x", "password_file": "/etc/passwd"}', 400),
    "a slash in the name": ('{"username": "x/y", "password": "correct horse"}', 400),
    "a name that does not print": (
        '{"username": "x\\u0000", "password": "correct horse"}',
        400,
    ),
    "a long name": (
        '{"username": "' + "x" * 300 + '", "password": "correct horse"}',
        400,
    ),
    "taken": ('{"username": "org1user", "password": "correct horse"}', 409),
    "too large": ('{"username": "' + "x" * 70_000 + '"}', 413),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_body_is_refused_and_changes_nothing(
    platform: Platform, case: str
) -> None:
    body, status = BAD[case]
    before = platform.api(
        "/api/users", token=(token := platform.token("kapi:users"))
    ).json()
    answer = platform.api(
        "/api/users",
        "-X",
        "POST",
        "-H",
        "Content-Type: application/json",
        "-d",
        body,
        token=token,
    )
    assert (
        answer.status,
        set(answer.json()) >= {"code", "message", "description"},
    ) == (
        status,
        True,
    )
    assert platform.api("/api/users", token=token).json() == before


def test_only_the_scope_opens_it(platform: Platform) -> None:
    assert platform.api("/api/users").status == 401
    assert platform.api("/api/users", token=platform.token("default")).status == 403
    assert (
        platform.api("/api/users/nobody", token=platform.token("kapi:users")).status
        == 404
    )
    assert (
        platform.api(
            "/api/users/org1user", "-X", "DELETE", token=platform.token("kapi:users")
        ).status
        == 409
    )


def test_tokens_of_a_removed_person_are_refused_by_gateway_and_system_apis(
    platform: Platform, echo: int
) -> None:
    assert platform.deploy(conf(port=echo), DEFINITION).status == 200
    platform.cli("user", "add", "grace", "--password-stdin", stdin="correct horse\n")
    browser = Person(over_https(platform.port))
    page = browser.sign_in(
        browser.open(authorize_path(CLIENT, CALLBACK, scope="default kapi:users")),
        "grace",
        "correct horse",
        "",
    )
    code = browser.submit(page, decision="allow").parameters["code"]
    token = redeem(browser, code).json()["access_token"]

    def statuses() -> tuple[int, int]:
        answer = platform.request(
            "default.gw.wso2.com",
            "/echo/1.0.0/items",
            "-H",
            f"Authorization: Bearer {token}",
        )
        return answer.status, platform.api("/api/users", token=token).status

    assert statuses() == (200, 200)
    platform.cli("user", "remove", "grace")
    until(lambda: statuses() == (401, 401), lambda: str(statuses()))
    assert (
        'name="password"'
        in browser.open(authorize_path(CLIENT, CALLBACK, scope="default")).text
    )


def test_a_session_and_a_consent_are_revoked_by_command(
    platform: Platform, echo: int
) -> None:
    assert platform.deploy(conf(port=echo), DEFINITION).status == 200
    platform.cli("user", "add", "hedy", "--password-stdin", stdin="correct horse\n")
    browser = Person(over_https(platform.port))
    page = browser.sign_in(
        browser.open(authorize_path(CLIENT, CALLBACK, scope="default")),
        "hedy",
        "correct horse",
        "",
    )
    code = browser.submit(page, decision="allow").parameters["code"]
    token = redeem(browser, code).json()["access_token"]

    def status() -> int:
        bearer = f"Authorization: Bearer {token}"
        return platform.request(
            "default.gw.wso2.com", "/echo/1.0.0/items", "-H", bearer
        ).status

    assert status() == 200
    assert platform.cli("session", "list", "--user", "hedy").stdout.count("hedy") == 1
    shown = platform.cli("consent", "list", "--user", "hedy", "-o", "json").stdout
    [consent] = json.loads(shown)["consents"]
    platform.cli("session", "revoke", "--user", "hedy")
    until(lambda: status() == 401, lambda: str(status()))
    assert (
        'name="password"'
        in browser.open(authorize_path(CLIENT, CALLBACK, scope="default")).text
    )
    platform.cli("consent", "revoke", consent["id"])
    assert platform.cli("consent", "list", "--user", "hedy").stdout == ""
    events = platform.cli("audit", "--limit", "2").stdout
    assert events.index("session.revoke") < events.index("consent.revoke")
    platform.cli("user", "remove", "hedy")


def test_what_a_person_and_a_client_do_at_the_provider_is_in_the_audit_log(
    platform: Platform,
) -> None:
    """A consent, a revoked token and a sign-out over TLS, read from the system API."""
    platform.cli("user", "add", "ida", "--password-stdin", stdin="correct horse\n")
    browser = Person(over_https(platform.port))
    page = browser.open(authorize_path(CLIENT, CALLBACK, scope="default"))
    page = browser.sign_in(page, "ida", "correct horse", "")
    code = browser.submit(page, decision="allow").parameters["code"]
    token = redeem(browser, code).json()["access_token"]
    client = ("-u", f"{CLIENT}:{CLIENT_SECRET}")
    revoked = platform.request(IDP, "/oauth2/revoke", *client, "-d", f"token={token}")
    assert revoked.status == 200
    browser.submit(browser.open("/oauth2/logout"))
    auditor = platform.token("kapi:audit")

    def entries() -> dict[tuple[str, str], dict[str, str]]:
        """The newest entries of both, by event and target."""
        found = list[dict[str, str]]()
        for by in ("ida", CLIENT):
            found += platform.api(
                f"/api/audit?by={by}&limit=100", token=auditor
            ).json()["events"]
        return {(entry["event"], entry.get("target", "")): entry for entry in found}

    expected = {("consent.allow", CLIENT), ("token.revoke", claims_of(token)["jti"])}
    # The provider writes its entries a moment later.
    until(lambda: expected <= set(entries()), lambda: str(entries()))
    until(
        lambda: "sign_out" in {event for event, _ in entries()}, lambda: str(entries())
    )
    seen = {event: entry for (event, _), entry in entries().items()}
    for event in ("sign_in", "sign_out", "consent.allow"):
        assert (seen[event]["subject"], seen[event]["outcome"]) == ("ida", "success")
    assert all(
        seen[event]["address"] for event in ("sign_in", "sign_out", "token.revoke")
    )
    log = (platform.data_dir / "logs/audit.log").read_text("utf-8")
    assert token not in log
    assert "correct horse" not in log
    platform.cli("user", "remove", "ida")
