"""Commands that call a platform behind a URL: contexts, sign-in, deployments."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from harness import DEFINITION, Platform, conf
from idp import WELL_KNOWN_CLIENT_ID, WELL_KNOWN_CLIENT_SECRET
from kapi.errors import KapiError
from kapi.front.cli.output import Exit
from kapi.front.cli.server.contexts import Context
from kapi.front.cli.server.credentials import keep
from kapi.front.cli.server.remote import RemoteServer
from kapi.front.cli.server.signing_in import Wish, as_person
from person import Person, claims_of, over_https

API = "api.am.wso2.com"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"


class RemoteCommands:
    """`kapi` of another person, who has no data directory."""

    def __init__(self, platform: Platform, folder: Path) -> None:
        self.platform = platform
        self.url = f"https://{API}:{platform.port}"
        self.ca = str(platform.data_dir / "tls" / "ca.pem")
        self.environment = {
            "KAPI_DATA_DIR": "",
            "HOME": str(folder),
            "XDG_DATA_HOME": "",
            "XDG_CONFIG_HOME": str(folder / "config"),
        }

    def __call__(
        self, *arguments: str, stdin: str | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        return self.platform.cli(
            *arguments, stdin=stdin, check=check, environment=self.environment
        )

    def use(self, name: str = "test") -> None:
        self(
            "context", "add", name, self.url, "--ca", self.ca, "--address", "127.0.0.1"
        )

    def sign_in(self) -> None:
        self(
            "login", "--client-credentials", "--secret-stdin", "--client-id", WELL_KNOWN_CLIENT_ID,
            stdin=WELL_KNOWN_CLIENT_SECRET + "\n",
        )  # fmt: skip


@pytest.fixture
def remote(platform: Platform, tmp_path: Path) -> RemoteCommands:
    return RemoteCommands(platform, tmp_path)


def test_a_client_signs_in_and_deploys(
    remote: RemoteCommands, tmp_path: Path, echo: int
) -> None:
    remote.use()
    remote.sign_in()
    said = json.loads(remote("whoami", "-o", "json").stdout)
    assert (said["server"], said["client"]) == (remote.url, WELL_KNOWN_CLIENT_ID)
    assert said["organization"] == "default"
    (tmp_path / "a.apk-conf").write_text(conf("Remote", "/remote", port=echo))
    (tmp_path / "a.yaml").write_text(DEFINITION)
    remote("deploy", str(tmp_path / "a.apk-conf"), str(tmp_path / "a.yaml"))
    listed = json.loads(remote("-o", "json", "apis").stdout)["apis"]
    assert "Remote" in [api["name"] for api in listed]
    assert remote("call", "/remote/1.0.0/items").returncode == 0


def test_whoami_tells_when_the_token_expires(remote: RemoteCommands) -> None:
    remote.use()
    remote.sign_in()
    token = remote("token").stdout.strip()
    remote.environment["KAPI_TOKEN"] = token
    said = json.loads(remote("whoami", "-o", "json").stdout)
    assert said["expires_at"] == claims_of(token)["exp"]


def test_a_name_below_localhost_needs_no_address(remote: RemoteCommands) -> None:
    url = f"https://api.localhost:{remote.platform.port}"
    remote("context", "add", "here", url, "--ca", remote.ca)
    remote.sign_in()
    assert json.loads(remote("whoami", "-o", "json").stdout)["server"] == url


def test_what_is_kept_is_its_owners_and_logout_forgets_it(
    remote: RemoteCommands, tmp_path: Path
) -> None:
    remote.use()
    remote.sign_in()
    folder = tmp_path / "config" / "kapi"
    assert WELL_KNOWN_CLIENT_SECRET not in (folder / "contexts.json").read_text()
    assert WELL_KNOWN_CLIENT_SECRET in (folder / "credentials.json").read_text()
    assert folder.stat().st_mode & 0o077 == 0
    for path in folder.iterdir():
        assert path.stat().st_mode & 0o077 == 0, path
    remote("logout")
    assert WELL_KNOWN_CLIENT_SECRET not in (folder / "credentials.json").read_text()
    refused = remote("apis", check=False)
    assert refused.returncode == Exit.UNAUTHENTICATED
    assert "kapi login" in refused.stderr


def test_another_address_of_a_context_forgets_its_sign_in(
    remote: RemoteCommands,
) -> None:
    """A secret goes only to the platform that it was given for."""
    remote.use()
    remote.sign_in()
    remote("context", "add", "test", "https://other.example:9095", "--ca", remote.ca)
    assert "no user is signed in" in remote("apis", check=False).stderr


def test_the_server_option_is_anywhere_and_comes_first(remote: RemoteCommands) -> None:
    remote.use()
    remote.sign_in()
    remote("context", "use", "-")
    here = remote("apis", check=False)
    assert (here.returncode, "nothing runs in" in here.stderr) == (
        Exit.ENVIRONMENT,
        True,
    )
    for line in (("--server", "test", "apis"), ("apis", "--server=test")):
        assert remote(*line).returncode == 0
    data_dir = str(remote.platform.data_dir)
    remote("context", "use", "test")
    remote.environment["KAPI_DATA_DIR"] = data_dir
    remote("context", "add", "gone", "https://gone.example")
    assert remote("apis").returncode == 0
    remote.environment["KAPI_DATA_DIR"] = ""
    assert remote("--data-dir", data_dir, "apis").returncode == 0
    unknown = remote("--server", "nonsense", "apis", check=False)
    assert "there is no context 'nonsense'" in unknown.stderr


def test_a_certificate_that_is_not_trusted_is_refused(remote: RemoteCommands) -> None:
    remote("context", "add", "test", remote.url, "--address", "127.0.0.1")
    refused = remote(
        "login", "--client-credentials", "--secret-stdin", "--client-id", WELL_KNOWN_CLIENT_ID,
        stdin="secret\n", check=False,
    )  # fmt: skip
    assert refused.returncode == Exit.ENVIRONMENT
    assert "kapi context add NAME URL --ca FILE" in refused.stderr


@pytest.mark.parametrize(
    "url", ["http://a.example", "https://", "https://a.example/api", "a"]
)
def test_an_address_that_is_no_platform_is_refused(
    remote: RemoteCommands, url: str
) -> None:
    refused = remote("context", "add", "test", url, check=False)
    assert refused.returncode == Exit.FAILED
    assert "is not the URL of a platform" in refused.stderr


def test_a_person_signs_in_by_a_code_and_is_renewed(
    platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    made = platform.cli(
        "client", "create", "cli", "--method", "none", "--grant", DEVICE,
        "--grant", "refresh_token", "--scope", "kapi:users", "-o", "json",
    )  # fmt: skip
    client = json.loads(made.stdout)["client_id"]
    ca = platform.data_dir / "tls" / "ca.pem"
    context = Context(f"https://{API}:{platform.port}", str(ca), "127.0.0.1")
    server = RemoteServer("test", context)
    person = Person(over_https(platform.port))

    def allow(address: str, code: str) -> None:
        page = person.sign_in(person.open(address[address.index("/", 8) :]))
        assert code in page.text
        person.submit(page, decision="allow")

    credential = as_person(
        server, Wish(client, "", ("kapi:users",)), allow, lambda _: None
    )
    keep("test", credential)
    assert server.token(("kapi:users",), None) == credential.access_token
    with pytest.raises(KapiError, match="lacks the scope kapi:keys"):
        server.token(("kapi:keys",), None)
    keep("test", replace(credential, expires_at=0))
    renewed = server.token(("kapi:users",), None)
    assert renewed != credential.access_token
    platform.cli("client", "remove", client)
    keep("test", replace(credential, expires_at=0))
    with pytest.raises(KapiError, match="has ended"):
        server.token(("kapi:users",), None)


def test_a_sign_in_without_a_client_says_how_to_make_one(
    remote: RemoteCommands,
) -> None:
    remote.use()
    refused = remote("login", check=False)
    assert refused.returncode == Exit.FAILED
    assert "kapi client create kapi-cli --method none" in refused.stderr


def test_a_client_with_a_few_scopes_is_told_to_name_them(
    remote: RemoteCommands, platform: Platform
) -> None:
    grant = "urn:ietf:params:oauth:grant-type:device_code"
    options = ("--method", "none", "--grant", grant, "--scope", "kapi:logs")
    made = platform.cli("client", "create", "few", *options, "-o", "json").stdout
    client = json.loads(made)["client_id"]
    try:
        remote.use()
        refused = remote("login", "--client-id", client, check=False)
        assert "kapi login --scope" in refused.stderr
        assert refused.returncode == Exit.UNAUTHENTICATED
    finally:
        platform.cli("client", "remove", client)
