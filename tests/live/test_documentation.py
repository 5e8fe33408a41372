"""The blocks of the README, the quick start and the pages of the identity provider run as they
are, one shell a document.

A ```sh block is run; a ```text block after it is what it must print, `…` standing for anything. The
```toml blocks of a page are the settings of the platform that it runs against, when the page is
among those that have a platform of their own.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from harness import KAPI, Platform, free_port
from kapi.identity.grants import GRANTS
from standin import Key, StandIn

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(sh|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SETTINGS = re.compile(r"^```toml\n(.*?)^```$", re.MULTILINE | re.DOTALL)

RUN = [
    "README.md",
    "docs/quick-start-http.md",
    "docs/graphql.md",
    "docs/identity/authorization-code.md",
    "docs/identity/refresh.md",
    "docs/identity/openid-connect.md",
    "docs/identity/logout.md",
    "docs/identity/pages.md",
    "docs/identity/client-authentication.md",
    "docs/identity/dpop-and-mtls.md",
    "docs/identity/introspection-revocation.md",
    "docs/identity/registration.md",
    "docs/identity/par-jar-jarm.md",
    "docs/identity/resources.md",
]


ALONE = [
    "docs/identity/ciba.md",
    "docs/identity/client-credentials.md",
    "docs/identity/device.md",
    "docs/identity/jwt-bearer.md",
    "docs/identity/keys.md",
    "docs/identity/password.md",
    "docs/identity/token-exchange.md",
    "docs/identity/tokens.md",
    "docs/identity/users.md",
]
"""Pages with settings of their own, or that change what others see."""
KEYS_PORT = "8099"
"""Where pages serve the keys of another system."""


@pytest.mark.parametrize("name", RUN)
def test_the_blocks_do_what_they_say(platform: Platform, name: str) -> None:
    _run(platform, name)


@pytest.mark.long
@pytest.mark.parametrize(
    "name", ["docs/identity/registration.md", "docs/identity/client-authentication.md"]
)
def test_the_blocks_run_one_by_one_in_any_order(platform: Platform, name: str) -> None:
    blocks = BLOCK.findall((ROOT / name).read_text("utf-8"))
    pairs = [
        blocks[number : number + 2]
        for number, (kind, _) in enumerate(blocks)
        if kind == "sh"
    ]
    assert all([kind for kind, _ in pair] == ["sh", "text"] for pair in pairs)
    for pair in (*reversed(pairs), *pairs):
        _run_blocks(platform, pair)


@pytest.mark.long
@pytest.mark.parametrize("name", ALONE)
def test_the_blocks_do_what_they_say_with_the_settings_of_the_page(
    tmp_path: Path, name: str
) -> None:
    keys_port = str(free_port())
    config = tmp_path / "kapi.toml"
    config.write_text(
        "\n".join(SETTINGS.findall((ROOT / name).read_text("utf-8"))).replace(
            KEYS_PORT, keys_port
        )
    )
    alone = Platform(free_port(), tmp_path / "data", ("--config", str(config)))
    alone.start()
    try:
        _run(alone, name, keys_port, {"KAPI_CONFIG": str(config)})
    finally:
        alone.stop()
    assert "Traceback" not in "".join(
        path.read_text() for path in (alone.data_dir / "logs").glob("*.log")
    )


PROVIDERS = {
    "docs/issuers/auth0.md": (
        ("acme.eu.auth0.com", "/oauth/token", "/.well-known/jwks.json"),
        {
            "iss": "https://acme.eu.auth0.com/",
            "aud": "https://api.acme.example",
            "azp": "noted",
            "scope": "items:read apk:api_create",
        },
    ),
    "docs/issuers/asgardeo.md": (
        ("api.asgardeo.io", "/t/acme/oauth2/token", "/t/acme/oauth2/jwks"),
        {
            "iss": "https://api.asgardeo.io/t/acme/oauth2/token",
            "aud": "noted",
            "client_id": "noted",
            "org_id": "10084a8d-113f-4211-a0d5-efe36b082211",
            "scope": "items:read apk:api_create",
        },
    ),
}
"""The pages about providers: host, token endpoint and keys there, and the claims of a token."""


def test_a_port_may_contain_the_digits_of_another_one() -> None:
    names = {"9095": "38099", KEYS_PORT: "59095"}
    assert _with_own_names("curl :9095 :8099", names) == "curl :38099 :59095"


@pytest.mark.parametrize("name", PROVIDERS)
def test_the_page_of_a_provider_runs_against_a_server_that_answers_as_it_does(
    tmp_path: Path, name: str
) -> None:
    (host, token_path, keys_path), claims = PROVIDERS[name]
    key = Key.make("k")
    standin = StandIn(hosts=(host,), jwks_paths=set()).start()
    discovery = (
        f"{claims['iss'].removeprefix(f'https://{host}').rstrip('/')}/.well-known/"
        "openid-configuration"
    )
    standin.documents[discovery] = {
        "issuer": claims["iss"],
        "jwks_uri": f"https://{host}{keys_path}",
    }
    standin.documents[keys_path] = {"keys": [key.jwk()]}
    standin.documents[token_path] = {"access_token": key.token({"sub": "s", **claims})}
    (tmp_path / ".curlrc").write_text(
        f'connect-to = "{host}:443:127.0.0.1:{standin.port}"\n'
    )
    (tmp_path / "kapi.toml").write_text(
        f'[gateway.hosts]\n"{host}" = "127.0.0.1:{standin.port}"\n'
    )
    trusting = {
        "SSL_CERT_FILE": str(standin.ca),
        "CURL_CA_BUNDLE": str(standin.ca),
        "CURL_HOME": str(tmp_path),
    }
    platform = Platform(
        free_port(),
        tmp_path / "data",
        ("--config", str(tmp_path / "kapi.toml")),
        environment=trusting,
    )
    platform.start()
    noted = {
        "CLIENT_ID": "noted",
        "CLIENT_SECRET": "noted too",
        "ORGANIZATION_ID": "10084a8d-113f-4211-a0d5-efe36b082211",
    }
    try:
        _run(platform, name, more={**trusting, **noted})
    finally:
        platform.stop()
        standin.stop()


@pytest.mark.parametrize(
    "grant", [grant.facts.grant_type for grant in GRANTS if grant.facts.token_request]
)
def test_every_grant_has_a_page_with_a_command_that_runs(grant: str) -> None:
    commands = [
        body
        for name in (*RUN, *ALONE)
        for kind, body in BLOCK.findall((ROOT / name).read_text("utf-8"))
        if kind == "sh"
    ]
    assert any(f"grant_type={grant}" in body for body in commands)


def test_no_page_of_the_provider_has_commands_that_are_not_run() -> None:
    for page in (ROOT / "docs/identity").glob("*.md"):
        text = page.read_text("utf-8")
        assert "```console" not in text, page.name
        assert "```sh" not in text or str(page.relative_to(ROOT)) in {*RUN, *ALONE}, (
            page.name
        )


def _run(
    platform: Platform,
    name: str,
    keys_port: str = KEYS_PORT,
    more: dict[str, str] | None = None,
) -> None:
    blocks = BLOCK.findall((ROOT / name).read_text("utf-8"))
    assert len(blocks) >= 3
    _run_blocks(platform, blocks, keys_port, more)


def _run_blocks(
    platform: Platform,
    blocks: list[tuple[str, str]],
    keys_port: str = KEYS_PORT,
    more: dict[str, str] | None = None,
) -> None:
    backend_port = str(free_port())
    script, expected = ["set -e; trap 'kill $(jobs -p) 2>/dev/null || :' EXIT"], []
    for number, (kind, body) in enumerate(blocks):
        if kind == "sh":
            script += [body, f"printf '\\n--- end of block {number}\\n'"]
        else:
            expected.append((number - 1, body))
    names = {"9095": str(platform.port), KEYS_PORT: keys_port}
    names["backend.py 8080"] = f"backend.py {backend_port}"
    names["127.0.0.1:8080"] = f"127.0.0.1:{backend_port}"
    for conf in (
        "examples/petstore/petstore.apk-conf",
        "examples/graphql/heroes.apk-conf",
    ):
        names[conf] = str(_conf(platform, conf, backend_port))
    text = _with_own_names("\n".join(script), names)
    path = f"{Path(KAPI).parent}:{os.environ['PATH']}"
    own = {
        "KAPI_DATA_DIR": str(platform.data_dir),
        "KAPI_GATEWAY__PORT": str(platform.port),
        "PATH": path,
        "NO_COLOR": "1",
    }
    environment = {**os.environ, **own, **(more or {})}
    shell = subprocess.Popen(
        ["bash", "-c", text],
        cwd=ROOT,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        out, errors = shell.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        os.killpg(shell.pid, signal.SIGTERM)
        out, errors = shell.communicate()
    assert shell.returncode == 0, errors
    for number, body in expected:
        printed = (
            out.split(f"\n--- end of block {number}\n")[0]
            .rpartition("--- end of block")[2]
            .partition("\n")[2]
            if number
            else out.split("\n--- end of block 0\n")[0]
        )
        wanted = _columns(body.replace("9095", str(platform.port))).split("…")
        assert re.fullmatch(
            ".*".join(map(re.escape, wanted)), _columns(printed), re.DOTALL
        ), f"block {number} printed:\n{printed}\n{errors}"


def _with_own_names(text: str, names: dict[str, str]) -> str:
    """All at once: a port that replaces one name may contain the digits of another."""
    return re.sub("|".join(map(re.escape, names)), lambda found: names[found[0]], text)


def _columns(text: str) -> str:
    """How wide a column of a table is depends on its content."""
    return re.sub(r" {2,}", "  ", text.strip())


def _conf(platform: Platform, name: str, backend_port: str) -> Path:
    """The example's conf with the test's own backend port."""
    path = platform.data_dir.parent / Path(name).name
    path.write_text((ROOT / name).read_text().replace(":8080/", f":{backend_port}/"))
    return path
