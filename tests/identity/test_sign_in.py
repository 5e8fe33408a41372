"""The login page and its form: organizations, wrong passwords, one click, forged forms, other
people's links.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from flows import (
    CALLBACK,
    ISSUER,
    Clock,
    code_for,
    person_at,
    provider_app,
    redeem,
    tokens_for,
)
from kapi.settings import WELL_KNOWN_CLIENT_ID as CLIENT
from person import Page, Person, authorize_path, claims_of


def login(person: Person, **more: str) -> Page:
    page = person.open(authorize_path(CLIENT, CALLBACK, **more))
    assert 'name="password"' in page.text
    return page


TRIES = {
    "right": ("org1user", "org1user", "org1", ""),
    "either of two organizations": ("multiorguser", "multiorguser", "org2", ""),
    "a super admin without organization": ("superAdmin", "superAdmin", "", ""),
    "a person without organizations": ("carol", "carol's own password", "", ""),
    "wrong password": (
        "org1user",
        "nope",
        "org1",
        "The user name or the password is not right.",
    ),
    "unknown user": (
        "nobody",
        "nobody",
        "org1",
        "The user name or the password is not right.",
    ),
    "empty password": (
        "org1user",
        "",
        "org1",
        "The user name or the password is not right.",
    ),
    "password of another": (
        "org1user",
        "org2user",
        "org1",
        "The user name or the password is not right.",
    ),
    "another organization": (
        "org1user",
        "org1user",
        "org2",
        "You do not belong to this organization.",
    ),
    "unknown organization": (
        "org1user",
        "org1user",
        "'--",
        "You do not belong to this organization.",
    ),
    "an organization for a super admin": (
        "superAdmin",
        "superAdmin",
        "org1",
        "You do not belong to this organization.",
    ),
    "no organization, of one": ("org1user", "org1user", "", ""),
    "no organization, of several": (
        "multiorguser",
        "multiorguser",
        "",
        "Give one of the organizations you belong to.",
    ),
    "name in other case": (
        "ORG1USER",
        "org1user",
        "org1",
        "The user name or the password is not right.",
    ),
    "a very long password": (
        "org1user",
        "x" * 50_000,
        "org1",
        "The user name or the password is not right.",
    ),
    "NUL": (
        "org1user\0",
        "org1user\0",
        "org1",
        "The user name or the password is not right.",
    ),
}


@pytest.mark.parametrize(
    ("username", "password", "organization", "failure"), TRIES.values(), ids=TRIES
)
def test_who_may_sign_in(
    person: Person, username: str, password: str, organization: str, failure: str
) -> None:
    page = person.submit(
        login(person), username=username, password=password, organization=organization
    )
    if failure:
        assert failure in page.text
        assert "__Host-kapi-session" not in person.cookies
    else:
        assert f"You are signed in as <strong>{username}</strong>" in page.text


def test_a_member_of_one_organization_acts_in_it_without_naming_it(
    person: Person,
) -> None:
    page = person.submit(
        login(person), username="org1user", password="org1user", organization=""
    )
    assert "<strong>org1user</strong> in <strong>org1</strong>" in page.text


def test_a_wrong_password_is_not_shown_again(person: Person) -> None:
    page = person.submit(
        login(person), username="org1user", password="hunter2", organization="org1"
    )
    assert "hunter2" not in page.text
    assert page.forms()[0]["fields"]["password"] == ""


def test_too_many_wrong_passwords_stop_the_right_one_too_for_a_while(
    app: Any, person: Person, clock: Clock
) -> None:
    page = login(person)
    for _ in range(10):
        person.submit(page, username="org1user", password="nope", organization="org1")
    assert "Too many tries" in person.sign_in(page).text
    # Nobody else is locked out, and it ends.
    other = person_at(app)
    assert "Allow" in other.sign_in(login(other), "org2user", organization="org2").text
    clock.now += 301
    assert "Allow" in person.sign_in(page).text


def test_an_address_has_only_so_many_tries_with_any_names(
    tmp_path: Path, with_keys: Path, clock: Clock
) -> None:
    shutil.copy(with_keys, tmp_path / "kapi.db")
    app = provider_app(tmp_path, clock, login_attempts=2)
    guesser = person_at(app, x_forwarded_for="10.0.0.1, 203.0.113.7")
    page = login(guesser)
    for number in range(20):
        guesser.submit(
            page, username=f"user{number}", password="password1", organization=""
        )
    assert "Too many tries" in guesser.sign_in(page).text
    # What a caller writes into the header itself does not count: the gateway adds the last address.
    guesser.headers["x_forwarded_for"] = "10.9.9.9, 203.0.113.7"
    assert "Too many tries" in guesser.sign_in(page).text
    neighbour = person_at(app, x_forwarded_for="203.0.113.8")
    assert "Allow" in neighbour.sign_in(login(neighbour)).text


def test_wrong_passwords_from_elsewhere_do_not_keep_a_person_out_of_their_own_browser(
    tmp_path: Path, with_keys: Path, clock: Clock
) -> None:
    shutil.copy(with_keys, tmp_path / "kapi.db")
    app = provider_app(tmp_path, clock, login_attempts=2)
    owner, guesser = (person_at(app, x_forwarded_for="203.0.113.7") for _ in range(2))
    assert "Allow" in owner.sign_in(login(owner)).text
    owner.cookies.pop("__Host-kapi-session")
    for number in range(20):
        username = "org1user" if number < 2 else f"user{number}"
        guesser.submit(
            login(guesser),
            username=username,
            password=f"password{number}",
            organization="org1",
        )
    assert "Too many tries" in guesser.sign_in(login(guesser)).text
    # Nobody else gets in from there, and in the owner's browser there are not more tries than
    # anywhere else.
    assert (
        "Too many tries"
        in owner.sign_in(login(owner), "org2user", organization="org2").text
    )
    owner.submit(
        login(owner), username="org1user", password="mistyped", organization="org1"
    )
    assert "Allow" in owner.sign_in(login(owner)).text
    owner.cookies.pop("__Host-kapi-session")
    for _ in range(2):
        owner.submit(
            login(owner), username="org1user", password="mistyped", organization="org1"
        )
    assert "Too many tries" in owner.sign_in(login(owner)).text


def test_an_ipv6_caller_is_its_whole_network(
    tmp_path: Path, with_keys: Path, clock: Clock
) -> None:
    shutil.copy(with_keys, tmp_path / "kapi.db")
    app = provider_app(tmp_path, clock, login_attempts=1)
    for number in range(10):
        guesser = person_at(app, x_forwarded_for=f"2001:db8:0:7::{number}")
        guesser.submit(
            login(guesser),
            username=f"user{number}",
            password="password1",
            organization="",
        )
    same, other = (
        person_at(app, x_forwarded_for=address)
        for address in ("2001:db8:0:7:ffff::1", "2001:db8:0:8::1")
    )
    assert "Too many tries" in same.sign_in(login(same)).text
    assert "Allow" in other.sign_in(login(other)).text


def test_one_click_signs_in_as_a_published_user_and_says_that_nothing_was_proved(
    person: Person,
) -> None:
    page = login(person, scope="openid")
    choices = [
        value for name, value in page.forms()[1]["buttons"] if name == "one_click"
    ]
    assert choices == [
        "org1user@org1",
        "org2user@org2",
        "multiorguser@org1",
        "multiorguser@org2",
        "superAdmin",
    ]
    page = person.submit(page, 1, one_click="multiorguser@org2")
    page = person.submit(page, decision="allow")
    claims = claims_of(redeem(person, page.parameters["code"]).json()["id_token"])
    assert (claims["sub"], claims["organization"], claims["acr"]) == (
        "multiorguser",
        "org2",
        "0",
    )
    assert "amr" not in claims


@pytest.mark.parametrize(
    "choice", ["carol", "org1user", "org1user@org2", "nobody", "superAdmin@"]
)
def test_one_click_is_for_no_one_else(person: Person, choice: str) -> None:
    page = person.submit(login(person), 1, one_click=choice)
    assert "The user name or the password is not right." in page.text


def test_one_click_may_be_for_all_or_off(
    tmp_path: Path, with_keys: Path, clock: Clock
) -> None:
    shutil.copy(with_keys, tmp_path / "kapi.db")
    off = person_at(provider_app(tmp_path, clock, one_click_sign_in="off"))
    page = login(off)
    assert len(page.forms()) == 1
    assert (
        "The user name or the password is not right."
        in off.submit(page, one_click="superAdmin").text
    )
    everybody = person_at(provider_app(tmp_path, clock, one_click_sign_in="all"))
    assert len(login(everybody).forms()[1]["buttons"]) == 5


def test_a_form_needs_its_token_its_link_and_its_browser(
    app: Any, person: Person
) -> None:
    page = login(person)
    [form, _] = page.forms()
    right = {
        **form["fields"],
        "username": "org1user",
        "password": "org1user",
        "organization": "org1",
    }

    def post(sender: Person, fields: dict[str, str], **headers: str) -> Page:
        return sender.followed(
            sender.ask(
                "POST", "/commonauth/login", urlencode(fields).encode(), **headers
            )
        )

    assert "The form was not the one" in post(person, right | {"token": ""}).text
    assert "The form was not the one" in post(person, right | {"token": "0" * 64}).text
    assert (
        "The form was not the one"
        in post(person, right, sec_fetch_site="cross-site").text
    )
    # A key that somebody else began, sent by this browser, and this browser's key sent by somebody
    # else.
    stranger = person_at(app)
    theirs = login(stranger).forms()[0]["fields"]
    for sender, key in ((person, theirs), (stranger, form["fields"])):
        answer = post(sender, right | key)
        assert (answer.status, "over or took too long" in answer.text) == (400, True)
    for broken in (
        {},
        {"sessionKey": "x"},
        right | {"sessionKey": ""},
        right | {"sessionKey": "\0" * 43},
    ):
        assert post(person, broken).status == 400
    assert "__Host-kapi-session" not in person.cookies
    assert "Allow" in post(person, right, sec_fetch_site="same-origin").text


def test_a_session_cookie_is_fresh_after_sign_in(person: Person) -> None:
    """Nobody can plant a session for somebody else to sign in to (session fixation)."""
    person.cookies["__Host-kapi-session"] = "planted" + "x" * 36
    person.sign_in(login(person))
    first = person.cookies["__Host-kapi-session"]
    assert "planted" not in first
    person.sign_in(login(person, prompt="login"))
    stolen = person_at(None)
    stolen.send, stolen.cookies = (
        person.send,
        {**person.cookies, "__Host-kapi-session": first},
    )
    assert (
        stolen.open(authorize_path(CLIENT, CALLBACK, prompt="none")).parameters["error"]
        == "login_required"
    )


def test_a_request_is_answered_once(person: Person) -> None:
    code_for(person)
    page = person.open(authorize_path(CLIENT, CALLBACK, prompt="consent"))
    key = page.forms()[0]["fields"]["sessionKey"]
    assert "code" in person.submit(page, decision="allow").parameters
    for path in (
        f"/oauth2/auth-callback?sessionKey={key}",
        f"/authenticationEndpoint/consent?stateKey={key}",
    ):
        assert person.open(path).status == 400
    assert person.submit(page, decision="allow").status == 400


def test_a_link_is_no_use_after_a_quarter_of_an_hour(
    person: Person, clock: Clock
) -> None:
    page = login(person)
    clock.now += 901
    assert (
        person.sign_in(page).status,
        person.open(authorize_path(CLIENT, CALLBACK)).status,
    ) == (
        400,
        200,
    )


def test_consent_shown_to_one_person_does_not_count_for_another(person: Person) -> None:
    first = person.sign_in(login(person))
    second = person.sign_in(
        person.open(authorize_path(CLIENT, CALLBACK, prompt="login")),
        "org2user",
        organization="org2",
    )
    assert "Allow" in second.text
    answer = person.submit(first, decision="allow")
    assert "code" not in answer.parameters


def test_steps_cannot_be_skipped(person: Person) -> None:
    page = login(person)
    key = page.forms()[0]["fields"]["sessionKey"]
    assert (
        'name="password"' in person.open(f"/oauth2/auth-callback?sessionKey={key}").text
    )
    assert (
        'name="password"'
        in person.open(f"/authenticationEndpoint/consent?stateKey={key}").text
    )
    assert (
        'name="password"'
        in person.open(f"/authenticationEndpoint/select?stateKey={key}").text
    )
    page = person.sign_in(page)
    assert 'value="allow"' in page.text
    assert (
        'value="allow"' in person.open(f"/oauth2/auth-callback?sessionKey={key}").text
    )


def test_apk_paths_lead_somewhere(person: Person) -> None:
    page = login(person)
    key = page.forms()[0]["fields"]["sessionKey"]
    assert (
        person.open(f"/authenticationEndpoint/login-callback?stateKey={key}").status
        == 200
    )
    assert person.open("/authenticationEndpoint/health").json() == {"healthy": "true"}
    for path in (
        "/authenticationEndpoint/login",
        "/commonauth/login",
        "/oauth2/auth-callback",
    ):
        answer = person.open(path)
        assert answer.status == 400
        assert "start again" in answer.text
    assert (
        "Sign-in begins in an application"
        in person.open("/authenticationEndpoint/").text
    )


@pytest.mark.parametrize("mode", ["query", "fragment"])
def test_a_person_may_say_no_at_sign_in(person: Person, mode: str) -> None:
    page = person.open(
        authorize_path("shop", "https://shop.example/cb", response_mode=mode)
    )
    assert ("decision", "deny") in page.forms()[0]["buttons"]
    answer = person.submit(page, decision="deny")
    assert answer.location.startswith("https://shop.example/cb")
    assert (answer.parameters["error"], answer.parameters["state"]) == (
        "access_denied",
        "s t&ä",
    )
    assert answer.parameters["iss"] == ISSUER
    again = person.submit(page, decision="deny")
    assert (again.status, again.location) == (400, "")


def test_a_person_may_say_no_when_choosing_an_account(person: Person) -> None:
    tokens_for(person)
    page = person.open(
        authorize_path("shop", "https://shop.example/cb", prompt="select_account")
    )
    assert person.submit(page, decision="deny").parameters["error"] == "access_denied"


def test_another_site_cannot_say_no_for_a_person(person: Person) -> None:
    page = person.open(authorize_path("shop", "https://shop.example/cb"))
    answer = person.submit(page, decision="deny", token="x")
    assert 'name="password"' in answer.text


def test_pages_without_a_client_have_nobody_to_say_no_to(person: Person) -> None:
    assert 'value="deny"' not in person.open("/device").text


def test_the_form_remembers_name_and_organization_but_no_password(
    person: Person,
) -> None:
    page = person.open(
        authorize_path("shop", "https://shop.example/cb", login_hint="hinted")
    )
    assert page.forms()[0]["fields"]["username"] == "hinted"
    failed = person.submit(
        page, username="órg1user", password="a wrong one", organization="o<1>"
    )
    fields = failed.forms()[0]["fields"]
    assert (fields["username"], fields["organization"], fields["password"]) == (
        "órg1user",
        "o<1>",
        "",
    )
    assert "o<1>" not in failed.text
    again = person.submit(failed, username="", password="x", organization="")
    assert again.forms()[0]["fields"]["username"] == "hinted"


def test_what_was_typed_stands_in_no_link(person: Person) -> None:
    page = person.open(authorize_path("shop", "https://shop.example/cb"))
    form = page.forms()[0]
    body = urlencode(
        {
            **form["fields"],
            "username": "ada.lovelace",
            "password": "wrong",
            "organization": "acme",
        }
    ).encode()
    link = person.ask("POST", form["action"], body).location
    assert "errorCode=100171" in link
    assert "ada" not in link
    assert "acme" not in link
    stranger = Person(person.send)
    own = stranger.open(authorize_path("shop", "https://shop.example/cb")).forms()[0][
        "fields"
    ]["sessionKey"]
    typed = link.partition("&typed=")[2]
    shown = stranger.open(f"/authenticationEndpoint/login?stateKey={own}&typed={typed}")
    assert shown.forms()[0]["fields"]["username"] == ""


def test_the_device_pages_form_remembers_them_too(person: Person) -> None:
    page = person.submit(
        person.open("/device"), username="ada", password="wrong", organization="acme"
    )
    fields = page.forms()[0]["fields"]
    assert (fields["username"], fields["organization"], fields["password"]) == (
        "ada",
        "acme",
        "",
    )


def test_the_page_offers_the_organizations_of_published_users(person: Person) -> None:
    page = login(person)
    assert '<option value="org1">' in page.text
    assert 'list="organizations"' in page.text


def test_an_error_page_names_the_client_and_the_redirect_uri(person: Person) -> None:
    wrong = '"><b>https://evil.example/cb'
    page = person.open(authorize_path(CLIENT, wrong))
    assert page.status == 400
    assert f"<dt>Client</dt><dd><code>{CLIENT}</code></dd>" in page.text
    assert "<code>&#34;&gt;&lt;b&gt;https://evil.example/cb</code>" in page.text
    assert "<a " not in page.text
    unknown = person.open(authorize_path("n" * 1000, CALLBACK))
    assert f"<code>{'n' * 300}</code>" in unknown.text
