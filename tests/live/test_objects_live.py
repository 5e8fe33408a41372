"""`kapi get`, `describe` and `delete` for every kind, and the completion of names."""

from __future__ import annotations

import json
import os
import re

import pytest

from harness import DEFINITION, Platform, conf
from idp import WELL_KNOWN_CLIENT_ID
from kapi.front.cli.kinds.table import KINDS
from kapi.front.cli.output import Exit


@pytest.mark.parametrize("kind", [kind.plural for kind in KINDS])
def test_each_kind_is_listed(platform: Platform, kind: str) -> None:
    listed = json.loads(platform.cli("get", kind, "-o", "json").stdout)
    names = platform.cli("get", kind, "-o", "name").stdout.splitlines()
    (objects,) = (value for value in listed.values() if isinstance(value, list))
    assert len(names) == len(objects)
    assert platform.cli("get", kind).returncode == 0
    assert platform.cli("get", kind, "-o", "wide").returncode == 0


def test_addresses_are_those_that_this_machine_finds(
    platform: Platform, echo: int
) -> None:
    made = conf("Shown", "/shown", port=echo)
    assert platform.deploy(made, DEFINITION).status == 200
    address = f"https://default.gw.localhost:{platform.port}/shown/1.0.0"
    api = ("api", "Shown")
    for words in (("apis",), ("get", *api, "-o", "json"), ("describe", *api)):
        assert address in platform.cli(*words).stdout
    described = json.loads(platform.cli("describe", *api, "-o", "json").stdout)
    assert described["urls"] == [address]
    caller = json.loads(platform.cli("whoami", "-o", "json").stdout)
    assert caller["server"] == f"https://api.localhost:{platform.port}"
    platform.cli("delete", *api)


def test_an_api_is_found_by_name_or_version_and_deleted(
    platform: Platform, echo: int
) -> None:
    for version in ("1.0.0", "2.0.0"):
        made = conf("Objects", "/objects", port=echo).replace("1.0.0", version)
        assert platform.deploy(made, DEFINITION).status == 200
    shown = json.loads(platform.cli("get", "api", "Objects:2.0.0", "-o", "json").stdout)
    assert shown["version"] == "2.0.0"
    several = platform.cli("get", "api", "objects", check=False)
    assert "2 apis are called 'objects'" in several.stderr
    assert several.returncode == Exit.FAILED
    text = platform.cli("describe", "api/Objects:1.0.0").stdout
    assert "version: 1.0.0" in text
    assert re.search(
        r"^deployedAt: 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d$", text, re.MULTILINE
    )
    platform.cli("delete", "api", "Objects:1.0.0", "Objects:2.0.0")
    gone = platform.cli("get", "api", "Objects", check=False)
    assert gone.returncode == Exit.NOT_FOUND


def test_a_client_and_a_person_are_described_and_deleted(platform: Platform) -> None:
    platform.cli("client", "create", "described", "--scope", "items:read")
    text = platform.cli("describe", "client", "described").stdout
    assert "scope: items:read" in text
    assert "client_secret:" not in text
    platform.cli("delete", "client/described")
    platform.cli(
        "user", "add", "doomed", "--password-stdin", stdin="correct horse battery\n"
    )
    platform.cli("delete", "user", "doomed")
    assert "doomed" not in platform.cli("get", "users", "-o", "name").stdout


def test_values_of_secrets_are_never_shown(platform: Platform) -> None:
    platform.cli("secret", "set", "backend", "password", stdin="hunter2-hunter2")
    for form in ("table", "wide", "json", "yaml", "name"):
        shown = platform.cli("get", "secrets", "-o", form).stdout
        assert "backend" in shown
        assert "hunter2" not in shown
    platform.cli("delete", "secret", "backend/password")
    assert "backend" not in platform.cli("get", "secrets", "-o", "name").stdout


def test_a_mistake_says_what_exists(platform: Platform) -> None:
    kind = platform.cli("get", "apps2", check=False)
    assert (kind.returncode, "Kinds: apis, clients" in kind.stderr) == (
        Exit.USAGE,
        True,
    )
    name = platform.cli("get", "client", WELL_KNOWN_CLIENT_ID[:-1], check=False)
    assert f"Did you mean {WELL_KNOWN_CLIENT_ID}" in name.stderr
    assert platform.cli("delete", "node", "x", check=False).returncode == Exit.NOT_FOUND


def completed(platform: Platform, line: str, **more: str) -> list[str]:
    """What bash gets for a line; its last word is not complete."""
    words = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1)}
    environment = {"_KAPI_COMPLETE": "complete_bash", **words, **more}
    done = platform.cli(check=False, environment=environment)
    assert done.stderr == ""
    return done.stdout.split()


def test_a_shell_completes_kinds_and_names(platform: Platform) -> None:
    assert completed(platform, "kapi get iss") == ["issuers"]
    assert WELL_KNOWN_CLIENT_ID in completed(platform, "kapi describe client 45f1")
    assert completed(platform, "kapi client update 45f1") == [WELL_KNOWN_CLIENT_ID]
    nothing = {"KAPI_DATA_DIR": os.devnull + "/none"}
    assert completed(platform, "kapi describe client 45f1", **nothing) == []
