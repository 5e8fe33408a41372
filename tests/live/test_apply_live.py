"""`kapi diff` and `kapi apply` against a running platform."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import DEFINITION, Platform, conf
from kapi.front.cli.output import Exit
from kapi.front.web.openapi.catalogue import CATALOGUE
from standin import Key

SECRET = {"SHOP_SECRET": "a secret of the shop"}
BLOCKED = "api: Declared\nstatus: BLOCKED\n"
PASSWORD = "correct horse battery"
FILES = """# comment
kind: Client
id: declared-shop
name: The shop
secret: {env: SHOP_SECRET}
scopes: ["items:read"]
---
kind: User
username: declared-ada
password: {file: ada}
organizations: [org1]
"""


@pytest.fixture
def folder(tmp_path: Path, echo: int) -> Path:
    (tmp_path / "platform.yaml").write_text(FILES)
    (tmp_path / "ada").write_text(PASSWORD + "\n")
    (tmp_path / "echo.apk-conf").write_text(conf("Declared", "/declared", port=echo))
    (tmp_path / "echo.yaml").write_text(DEFINITION)
    return tmp_path


@pytest.fixture
def pruned(platform: Platform) -> Iterator[None]:
    """Removes at the end what the test declared."""
    yield
    platform.cli("apply", "-f", "-", "--prune", stdin="")


def statuses(platform: Platform, *arguments: str) -> dict[str, str]:
    done = platform.cli("apply", *arguments, "-o", "json", environment=SECRET)
    return {item["name"]: item["status"] for item in json.loads(done.stdout)["objects"]}


def status_of_call(platform: Platform) -> int:
    """Of a call of the declared API with a token of the declared client."""
    credentials = f"declared-shop:{SECRET['SHOP_SECRET']}"
    fields = ("-d", "grant_type=client_credentials", "-d", "scope=items:read")
    answer = platform.request(
        "idp.am.wso2.com", "/oauth2/token", "-u", credentials, *fields
    )
    bearer = f"Authorization: Bearer {answer.json()['access_token']}"
    path = "/declared/1.0.0/items/1"
    return platform.request("default.gw.wso2.com", path, "-H", bearer).status


def differing(platform: Platform, *arguments: str) -> tuple[int, str]:
    done = platform.cli("diff", *arguments, environment=SECRET, check=False)
    assert not done.stderr.startswith("error"), done.stderr
    return done.returncode, done.stdout


@pytest.mark.usefixtures("pruned")
def test_a_folder_is_applied_changed_and_pruned(
    platform: Platform, folder: Path
) -> None:
    here = ("-f", str(folder))
    code, text = differing(platform, *here)
    assert code == 1
    assert "+++ Client/declared-shop\t" in text
    assert "+name: The shop\n" in text
    assert '+name: "Declared"\n' in text
    assert SECRET["SHOP_SECRET"] not in text
    created = dict.fromkeys(
        ("declared-shop", "declared-ada", "Declared 1.0.0"), "created"
    )
    assert statuses(platform, *here, "--dry-run") == created
    assert statuses(platform, *here) == created
    assert differing(platform, *here) == (0, "")
    assert statuses(platform, *here) == dict.fromkeys(created, "unchanged")
    assert status_of_call(platform) == 200

    (folder / "platform.yaml").write_text(FILES.replace("The shop", "Our shop"))
    code, text = differing(platform, *here)
    assert (code, "-name: The shop\n+name: Our shop\n" in text) == (1, True)
    (folder / "platform.yaml").write_text(FILES.partition("---")[0])
    (folder / "echo.apk-conf").unlink()
    assert statuses(platform, *here) == {"declared-shop": "unchanged"}
    assert statuses(platform, *here, "--prune", "--owner", "other") == {
        "declared-shop": "unchanged"
    }
    assert list(statuses(platform, *here, "--prune").items()) == [
        ("declared-shop", "unchanged"),
        ("Declared 1.0.0", "pruned"),
        ("declared-ada", "pruned"),
    ]


@pytest.mark.usefixtures("pruned")
def test_what_was_made_by_hand_is_not_pruned(platform: Platform, folder: Path) -> None:
    (folder / "echo.apk-conf").unlink()
    declared = ("-f", str(folder / "platform.yaml"))
    statuses(platform, *declared)
    platform.cli("user", "remove", "declared-ada")
    platform.cli(
        "user", "add", "declared-ada", "--password-stdin", stdin=PASSWORD + "\n"
    )
    assert statuses(platform, *declared)["declared-ada"] == "configured"
    platform.cli("apply", "-f", "-", "--prune", stdin="")
    users = json.loads(platform.cli("user", "list", "-o", "json").stdout)["users"]
    assert "declared-ada" in {user["username"] for user in users}
    platform.cli("user", "remove", "declared-ada")


CONSUMERS = """kind: Secret
name: declared-backend
key: password
value: {env: SHOP_SECRET}
---
kind: Issuer
name: declared-issuer
issuer: https://declared.example
public_key: {file: key.pem}
---
kind: Application
name: declared-app
keys: [{consumer_key: declared-key}]
subscriptions: [{api: Declared, version: "1.0.0"}]
---
kind: Subscription
application: declared-app
api: Declared
version: "2.0.0"
"""


@pytest.mark.usefixtures("pruned")
def test_consumers_issuers_and_secrets(platform: Platform, tmp_path: Path) -> None:
    file = tmp_path / "consumers.yaml"
    file.write_text(CONSUMERS)
    (tmp_path / "key.pem").write_text(Key.make("declared", "ES256").pem())
    here = ("-f", str(file))
    names = (
        "declared-backend password",
        "declared-issuer",
        "declared-app",
        "declared-app to Declared 1.0.0",
        "declared-app to Declared 2.0.0",
    )
    assert statuses(platform, *here) == dict.fromkeys(names, "created")
    assert statuses(platform, *here) == dict.fromkeys(names, "unchanged")
    changed = CONSUMERS.replace("declared-key", "other-key").replace(
        "api: Declared\n", BLOCKED
    )
    file.write_text(changed)
    code, text = differing(platform, *here)
    assert code == 1
    assert "-- consumer_key: declared-key\n+- consumer_key: other-key\n" in text
    assert statuses(platform, *here) == {
        **dict.fromkeys(names, "unchanged"),
        "declared-app": "configured",
        "declared-app to Declared 2.0.0": "configured",
    }
    file.write_text("")
    assert list(statuses(platform, *here, "--prune")) == [*names[3:], *names[2::-1]]


def test_all_mistakes_are_shown_with_file_and_line(
    platform: Platform, folder: Path
) -> None:
    wrong = FILES.replace("scopes: [", "scopez: [").replace("[org1]", "org1")
    (folder / "platform.yaml").write_text(wrong)
    (folder / "echo.apk-conf").write_text(conf("Declared", "no slash", port=9))
    done = platform.cli("apply", "-f", str(folder), check=False, environment=SECRET)
    assert done.returncode == Exit.INVALID
    places = [
        line.split(": ")[1]
        for line in done.stderr.splitlines()
        if line.startswith("error")
    ]
    assert places == [
        f"{folder}/echo.apk-conf:3:11",
        f"{folder}/platform.yaml:6:1",
        f"{folder}/platform.yaml:11:1",
    ]
    done = platform.cli("apply", "-f", str(folder), check=False)
    assert "the variable SHOP_SECRET is not set" in done.stderr
    plain = FILES.replace("{env: SHOP_SECRET}", "in-the-file")
    done = platform.cli("diff", "-f", "-", stdin=plain, check=False)
    assert (done.returncode, "secret is in the file" in done.stderr) == (
        Exit.INVALID,
        True,
    )


def test_a_caller_needs_the_scope_of_each_kind(platform: Platform) -> None:
    body = '{"objects": [{"kind": "User", "username": "x"}]}'
    answer = platform.api(
        "/api/apply", "--data-binary", body, token=platform.token("apk:api_create")
    )
    assert (answer.status, "kapi:users" in answer.json()["description"]) == (403, True)


@pytest.mark.usefixtures("pruned")
def test_a_dump_has_no_secret_and_is_what_there_is(
    platform: Platform, folder: Path
) -> None:
    here = ("-f", str(folder))
    statuses(platform, *here)
    dumped = folder.parent / f"{folder.name}.yaml"
    platform.cli("dump", "--write", str(dumped))
    text = dumped.read_text()
    assert dumped.stat().st_mode & 0o777 == 0o600
    assert SECRET["SHOP_SECRET"] not in text
    assert "secret:\n  env: CLIENT_DECLARED_SHOP_SECRET\n" in text
    own = [item for item in text.split("\n---\n") if "declared" in item.lower()]
    dumped.write_text("\n---\n".join(own))
    values = {
        "CLIENT_DECLARED_SHOP_SECRET": SECRET["SHOP_SECRET"],
        "USER_DECLARED_ADA_PASSWORD": PASSWORD,
    }
    done = platform.cli("diff", "-f", str(dumped), environment=values)
    assert "unchanged" in done.stderr


@pytest.mark.usefixtures("pruned")
def test_a_caller_of_one_organization_gets_no_dump(platform: Platform) -> None:
    own = "kind: Client\nid: declared-own\nsecret: {env: SHOP_SECRET}\norganization: org1\n"
    platform.cli("apply", "-f", "-", stdin=own, environment=SECRET)
    credentials = f"declared-own:{SECRET['SHOP_SECRET']}"
    fields = ("-d", "grant_type=client_credentials", "-d", "scope=kapi:backup")
    answer = platform.request(
        "idp.am.wso2.com", "/oauth2/token", "-u", credentials, *fields
    )
    refused = platform.api(
        "/api/dump", "-X", "POST", token=answer.json()["access_token"]
    )
    shown = CATALOGUE.refusals["part_of_the_state"]
    assert (refused.status, refused.json()) == (shown.status, shown.example)


@pytest.mark.parametrize("username", [[], {"a": 1}, None, 3, "a/b"])
def test_a_member_of_any_type_is_a_mistake(
    platform: Platform, username: object
) -> None:
    objects = [{"kind": "User", "username": username, "password": PASSWORD}]
    body = json.dumps({"objects": objects, "dryRun": True})
    answer = platform.api(
        "/api/apply", "--data-binary", body, token=platform.token("kapi:users")
    )
    assert (answer.status, "username" in answer.json()["description"]) == (400, True)


def test_two_apis_of_one_request_conflict(platform: Platform, folder: Path) -> None:
    (folder / "platform.yaml").unlink()
    (folder / "other.apk-conf").write_text(conf("Other", "/declared", port=9))
    done = platform.cli("apply", "-f", str(folder), check=False)
    assert done.returncode == Exit.INVALID
    assert f"{folder}/other.apk-conf:" in done.stderr
    assert "Declared" not in platform.cli("apis").stdout


def test_apis_of_one_apply_are_checked_in_parts(
    platform: Platform, tmp_path: Path
) -> None:
    """Conflicts between APIs of different parts are mistakes too."""
    for number in range(21):
        base = "/part0" if number == 20 else f"/part{number}"
        text = conf(
            f"Part{number}", base, port=9, operations='- {target: "/x", verb: GET}\n'
        )
        (tmp_path / f"{number:02}.apk-conf").write_text(text)
        (tmp_path / f"{number:02}.yaml").write_text(DEFINITION.replace("/items", "/x"))
    done = platform.cli("diff", "-f", str(tmp_path), check=False)
    assert done.returncode == Exit.INVALID
    assert "20.apk-conf: base path /part0/1.0.0 is taken by Part0" in done.stderr
