"""`kapi dump` and `kapi restore`: a platform, and an empty one that becomes the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness import DEFINITION, Platform, conf, echo_backend, free_port

pytestmark = pytest.mark.long
PASSPHRASE = {"KAPI_PASSPHRASE": "several random words"}
OBJECTS = """kind: Secret
name: backend
key: password
value: {env: PASSWORD}
---
kind: Client
id: shop
secret: {env: PASSWORD}
---
kind: User
username: ada
password: {env: PASSWORD}
---
kind: Application
name: app
keys: [{consumer_key: shop}]
subscriptions: [{api: Echo}]
"""
PASSWORD = {"PASSWORD": "correct horse battery"}


def documents(platform: Platform, file: Path) -> str:
    """What a dump has besides the sealed part, which differs each time."""
    platform.cli("dump", "--write", str(file), environment=PASSPHRASE)
    return file.read_text().partition("kind: Sealed")[0]


def token(platform: Platform, scope: str) -> str:
    fields = ("-d", "grant_type=client_credentials", "-d", f"scope={scope}")
    credentials = f"shop:{PASSWORD['PASSWORD']}"
    answer = platform.request(
        "idp.am.wso2.com", "/oauth2/token", "-u", credentials, *fields
    )
    return str(answer.json()["access_token"])


def status(platform: Platform, bearer: str) -> int:
    header = f"Authorization: Bearer {bearer}"
    return platform.request(
        "default.gw.wso2.com", "/echo/1.0.0/items", "-H", header
    ).status


def test_an_empty_platform_becomes_the_same(tmp_path: Path) -> None:
    with echo_backend() as echo:
        old = Platform(free_port(), tmp_path / "old")
        old.start()
        try:
            old.cli("apply", "-f", "-", stdin=OBJECTS, environment=PASSWORD)
            assert old.deploy(conf(port=echo), DEFINITION).status == 200
            before, revoked = token(old, "items:read"), token(old, "items:read")
            gone = ("-d", f"token={revoked}", "-u", f"shop:{PASSWORD['PASSWORD']}")
            old.request("idp.am.wso2.com", "/oauth2/revoke", *gone)
            dumped = documents(old, tmp_path / "old.yaml")
            plain = (tmp_path / "old.yaml").read_text()
            assert PASSWORD["PASSWORD"] not in plain
        finally:
            old.stop()

        new = Platform(old.port, tmp_path / "new")
        new.start()
        try:
            file = str(tmp_path / "old.yaml")
            done = new.cli(
                "restore", file, environment={"KAPI_PASSPHRASE": "x" * 12}, check=False
            )
            assert (done.returncode, "does not open" in done.stderr) == (3, True)
            new.cli("restore", file, environment=PASSPHRASE)
            done = new.cli("restore", file, environment=PASSPHRASE, check=False)
            assert (done.returncode, "not empty" in done.stderr) == (1, True)
            events = json.loads(new.cli("audit", "-o", "json").stdout)
            added = {
                item["event"] for item in events if item.get("detail") == "restore"
            }
            assert {"client.add", "user.add", "api.deploy", "secret.set"} <= added
            new.stop()
            new.start()
            assert documents(new, tmp_path / "new.yaml") == dumped
            assert (status(new, before), status(new, revoked)) == (200, 401)
            assert status(new, token(new, "items:read")) == 200
            pruned = new.cli(
                "apply", "-f", "-", "--prune", "-o", "json", stdin=""
            ).stdout
            kinds = [item["kind"] for item in json.loads(pruned)["objects"]]
            assert kinds == ["Subscription", "Application", "User", "Client", "Secret"]
        finally:
            new.stop()
