"""Other issuers at a running platform: declared live, followed through rotations, kept to their
organizations, watched.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from harness import DEFINITION, Answer, Platform, conf, free_port
from standin import Key, StandIn
from waiting import until

A, B, STATIC, STRANGER = (
    Key.make("a"),
    Key.make("b"),
    Key.make("static", "ES256"),
    Key.make("stranger"),
)
OPERATIONS = '- {target: "/items", verb: GET}\n'


@dataclass
class World:
    platform: Platform
    standin: StandIn
    echo: int

    @property
    def issuer(self) -> str:
        return self.standin.url

    def claims(self, **changes: Any) -> dict[str, Any]:
        return {
            "iss": self.issuer,
            "aud": "orders",
            "scope": "items:read apk:api_create kapi:issuers",
            "azp": "c",
            **changes,
        }

    def call(
        self,
        token: str,
        host: str = "default.gw.wso2.com",
        path: str = "/echo/1.0.0/items",
    ) -> Answer:
        return self.platform.request(host, path, "-H", f"Authorization: Bearer {token}")

    def api(self, method: str, path: str, body: Any = None, token: str = "") -> Answer:
        data = (
            ("--data-binary", body if isinstance(body, str) else json.dumps(body))
            if body is not None
            else ()
        )
        return self.platform.api(
            f"/api/issuers{path}",
            "-X",
            method,
            *data,
            token=token or self.platform.token("kapi:issuers"),
        )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, echo: int) -> Iterator[World]:
    standin = StandIn(keys=[A.jwk()]).start()
    standin.discover(standin.url)
    folder = tmp_path_factory.mktemp("kapi")
    (folder / "static.pem").write_text(STATIC.pem())
    (folder / "kapi.toml").write_text(
        "[identity]\nkeys_cooldown = 1\nkeys_refresh = 3600\n"
        '[[identity.issuers]]\nname = "static"\nissuer = "https://static.example"\n'
        'public_key_file = "static.pem"\n'
        'claim_mappings = {tenant = "x-tenant", "address.country" = "x-country"}\n'
    )
    platform = Platform(
        free_port(), folder / "data", ("--config", str(folder / "kapi.toml"))
    )
    platform.start()
    assert platform.deploy(conf(port=echo), DEFINITION).status == 200
    assert standin.ca is not None
    claims = (
        "--claim",
        "org_id=organization",
        "--organization-name",
        "org_Acme_1=acme",
    )
    platform.cli(
        "issuer",
        "add",
        "oidc",
        standin.url,
        "--name",
        "main",
        "--audience",
        "orders",
        "--ca",
        str(standin.ca),
        *claims,
    )
    yield World(platform, standin, echo)
    platform.stop()
    standin.stop()
    logs = "".join(
        path.read_text() for path in (platform.data_dir / "logs").glob("*.log")
    )
    assert "Traceback" not in logs
    assert "eyJ" not in logs, "a token is in a log"


@pytest.fixture
def fresh(world: World) -> World:
    """The issuer signs with A, and everybody knows it."""
    world.standin.mode, world.standin.keys = "ok", [A.jwk()]
    token = A.token(world.claims())
    until(lambda: world.call(token).status == 200)
    return world


def test_a_new_key_is_looked_for_at_once_and_a_withdrawn_one_is_refused_even_when_cached(
    fresh: World,
) -> None:
    old, new = A.token(fresh.claims()), B.token(fresh.claims())
    assert [fresh.call(old).status for _ in range(3)] == [200, 200, 200]
    time.sleep(1.0)  # the cool-down of the last rotation
    fresh.standin.keys = [B.jwk()]
    assert fresh.call(new).status == 401, "nobody could know"
    until(lambda: fresh.call(new).status == 200)
    assert fresh.call(old).status == 401


def test_the_system_apis_look_for_new_keys_too(fresh: World) -> None:
    new = B.token(fresh.claims())
    time.sleep(1.0)
    fresh.standin.keys = [A.jwk(), B.jwk()]
    until(
        lambda: fresh.platform.api("/api/deployer/1.2.0/apis", token=new).status == 200
    )


@pytest.mark.parametrize(
    "mode",
    [
        "500",
        "hang",
        "reset",
        "huge",
        "drip",
        'body {"keys":[]}',
        "body <html>",
        "redirect https://127.0.0.1:1/x",
    ],
)
def test_an_issuer_that_misbehaves_breaks_nothing_that_works(
    fresh: World, mode: str
) -> None:
    """Random key ids make it be asked again; neither its own tokens of known keys nor those of
    others notice.
    """
    fresh.standin.mode = mode
    good, other = (
        A.token(fresh.claims()),
        STATIC.token({"iss": "https://static.example"}, kid=...),
    )
    for number in range(10):
        assert (
            fresh.call(
                Key(f"random-{number}", "RS256", B.private).token(fresh.claims())
            ).status
            == 401
        )
        assert fresh.call(good).status == 200
        assert fresh.call(other).status == 200


def test_random_key_ids_cost_the_issuer_one_request_per_cool_down(fresh: World) -> None:
    before, begun = fresh.standin.fetched(), time.monotonic()
    for number in range(60):
        assert (
            fresh.call(
                Key(f"x{number}", "RS256", B.private).token(fresh.claims())
            ).status
            == 401
        )
    assert fresh.standin.fetched() - before <= (time.monotonic() - begun) / 1.0 + 2


def test_the_claim_decides_whose_api_it_becomes_and_organizations_see_their_own(
    fresh: World,
) -> None:
    mine = A.token(fresh.claims(org_id="org_Acme_1"))
    deployed = fresh.platform.deploy(
        conf(name="Acme", base="/acme", port=fresh.echo, operations=OPERATIONS),
        DEFINITION,
        token=mine,
    )
    assert deployed.status == 200, deployed.body
    assert (
        fresh.call(
            A.token(fresh.claims()), "acme.gw.wso2.com", "/acme/1.0.0/items"
        ).status
        == 200
    )
    assert (
        fresh.call(
            A.token(fresh.claims()), "default.gw.wso2.com", "/acme/1.0.0/items"
        ).status
        == 404
    )
    listed = fresh.platform.api("/api/deployer/1.2.0/apis", token=mine).json()["apis"]
    assert [api["name"] for api in listed] == ["Acme"]
    undeploy = f"/api/deployer/1.2.0/apis/undeploy?apiId={listed[0]['id']}"
    others = (
        A.token(fresh.claims(org_id="globex")),
        A.token(fresh.claims()),
        fresh.platform.token("apk:api_create"),
    )
    for other in others:
        assert "Acme" not in [
            api["name"]
            for api in fresh.platform.api(
                "/api/deployer/1.2.0/apis", token=other
            ).json()["apis"]
        ]
        assert fresh.platform.api(undeploy, "-X", "POST", token=other).status == 404
    assert fresh.platform.api(undeploy, "-X", "POST", token=mine).status == 202


@pytest.mark.parametrize(
    "value", ["org_Unknown", "Acme", "a.b", "", "-", ["acme"], 7, {"a": 1}, "a" * 64]
)
def test_an_organization_that_cannot_be_one_gets_no_api(
    fresh: World, value: Any
) -> None:
    answer = fresh.platform.api(
        "/api/deployer/1.2.0/apis", token=A.token(fresh.claims(org_id=value))
    )
    assert answer.status == (200 if value == "" else 403)
    if value != "":
        assert answer.json()["code"] == 900962
        assert "organizations" in answer.json()["hint"]


def test_hosts_of_organizations_and_environments_have_certificates(
    fresh: World,
) -> None:
    """A client that verifies, with the development CA and nothing else."""
    ca = fresh.platform.cli("ca").stdout.strip()
    for host in (
        "acme.gw.wso2.com",
        "acme-dev.gw.wso2.com",
        "globex.sandbox.gw.wso2.com",
        "api.am.wso2.com",
    ):
        resolve = f"{host}:{fresh.platform.port}:127.0.0.1"
        command = [
            "curl",
            "-sS",
            "--cacert",
            ca,
            "--resolve",
            resolve,
            "-o",
            "/dev/null",
            "-w",
            "%{ssl_verify_result} %{http_code}",
        ]
        done = subprocess.run(
            [*command, f"https://{host}:{fresh.platform.port}/nothing"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stdout) == (0, "0 404"), done.stderr


def test_an_issuer_of_one_organization_is_trusted_there_only(fresh: World) -> None:
    key = Key.make("acme-only")
    body = {
        "name": "only",
        "issuer": "https://only.example",
        "publicKey": key.pem(),
        "organization": "acme",
    }
    assert fresh.api("POST", "", body).status == 201
    token = key.token(
        {"iss": "https://only.example", "scope": "apk:api_create"}, kid=...
    )
    assert fresh.call(token).status == 401
    assert fresh.platform.api("/api/deployer/1.2.0/apis", token=token).status == 401
    deployed = fresh.platform.deploy(
        conf(name="Own", base="/own", port=fresh.echo, operations=OPERATIONS),
        DEFINITION,
        token=A.token(fresh.claims(org_id="acme")),
    )
    assert deployed.status == 200
    assert fresh.call(token, "acme.gw.wso2.com", "/own/1.0.0/items").status == 200
    # For the system APIs alone it is the other way round.
    assert (
        fresh.api(
            "PUT", "/only", {**body, "organization": "apk-system"} | {"name": "only"}
        ).status
        == 200
    )
    assert fresh.platform.api("/api/deployer/1.2.0/apis", token=token).status == 200
    until(
        lambda: fresh.call(token, "acme.gw.wso2.com", "/own/1.0.0/items").status == 401
    )
    assert fresh.api("DELETE", "/only").status == 204
    assert fresh.platform.api("/api/deployer/1.2.0/apis", token=token).status == 401


def test_claims_go_to_the_backend_as_headers_and_nobody_else_can_set_them(
    fresh: World,
) -> None:
    token = STATIC.token(
        {"iss": "https://static.example", "tenant": "t1", "address": {"country": "SI"}},
        kid=...,
    )
    seen = fresh.platform.request(
        "default.gw.wso2.com",
        "/echo/1.0.0/items",
        "-H",
        f"Authorization: Bearer {token}",
        "-H",
        "x-tenant: evil",
        "-H",
        "x-country: evil",
    ).json()["headers"]
    assert (seen["x-tenant"], seen["x-country"]) == ("t1", "SI")
    without = fresh.platform.request(
        "default.gw.wso2.com",
        "/echo/1.0.0/items",
        "-H",
        f"Authorization: Bearer {A.token(fresh.claims())}",
        "-H",
        "x-tenant: evil",
    )
    assert "x-tenant" not in without.json()["headers"]


def test_a_token_that_names_no_key_is_accepted_in_the_same_places(fresh: World) -> None:
    token = A.token(fresh.claims(), kid=...)
    assert fresh.call(token).status == 200
    assert fresh.platform.api("/api/deployer/1.2.0/apis", token=token).status == 200
    forged = STRANGER.token(fresh.claims(), kid=...)
    assert fresh.call(forged).status == 401
    assert fresh.platform.api("/api/deployer/1.2.0/apis", token=forged).status == 401


def test_the_api_speaks_apks_token_issuer_and_names_every_mistake(fresh: World) -> None:
    key = Key.make("k")
    issuer = {
        "name": "apk-shape",
        "organization": "default",
        "issuer": "https://apk.example",
        "consumerKeyClaim": "azp",
        "scopesClaim": "permissions",
        "claimMappings": [{"remoteClaim": "org", "localClaim": "x-org"}],
        "environments": ["*"],
        "signatureValidation": {"publicKey": key.pem()},
    }
    made = fresh.api("POST", "", issuer)
    assert made.status == 201, made.body
    assert made.json()["scopesClaims"] == ["permissions"]
    assert fresh.api("POST", "", issuer).status == 409
    assert (
        fresh.api("GET", "/apk-shape").json()["claimMappings"]
        == issuer["claimMappings"]
    )
    changed = fresh.api(
        "PATCH", "/apk-shape", {"audiences": ["orders"], "consumerKeyClaim": None}
    )
    assert (changed.status, changed.json()["audiences"]) == (200, ["orders"])
    assert changed.json()["consumerKeyClaim"] is None
    assert changed.json()["claimMappings"] == issuer["claimMappings"]
    assert fresh.api("PATCH", "/apk-shape", {"name": "other"}).status == 400
    assert fresh.api("PATCH", "/apk-shape", {"audiences": 7}).status == 400
    assert fresh.api("PATCH", "/static", {"audiences": []}).status == 409
    assert fresh.api("DELETE", "/apk-shape").status == 204
    assert fresh.api("GET", "/apk-shape").status == 404
    assert fresh.api("PATCH", "/apk-shape", {"audiences": []}).status == 404
    faulty = fresh.api(
        "POST",
        "",
        {
            "name": "X Y",
            "preset": "okta",
            "audiences": "orders",
            "colour": "red",
            "clockSkew": 1000,
        },
    )
    assert faulty.status == 400
    assert {item["pointer"] for item in faulty.json()["diagnostics"]} == {
        "#/colour",
        "#/audiences",
        "#/clock_skew",
    }
    assert all(item["hint"] for item in faulty.json()["diagnostics"])


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "[]",
        "null",
        '{"name": 7}',
        '{"name": "x", "ca_file": "/etc/passwd"}',
        '{"name":"x","signatureValidation":3}',
        "[" * 9000,
    ],
)
def test_a_body_that_is_no_issuer(fresh: World, body: str) -> None:
    answer = fresh.api("POST", "", body)
    assert (answer.status, answer.json()["code"]) == (
        400,
        900960 if body.startswith('{"') else 900955,
    )
    assert "root:" not in answer.body.decode()


def test_who_may_change_issuers(fresh: World) -> None:
    assert fresh.platform.api("/api/issuers").status == 401
    assert (
        fresh.api("GET", "", token=fresh.platform.token("apk:api_create")).status == 403
    )
    of_acme = A.token(fresh.claims(org_id="acme"))
    assert fresh.api("GET", "", token=of_acme).json()["issuers"] == []
    assert fresh.api("GET", "/main", token=of_acme).status == 404
    assert fresh.api("DELETE", "/main", token=of_acme).status == 404
    key = Key.make("k").pem()
    assert (
        fresh.api(
            "POST",
            "",
            {"name": "y", "issuer": "https://y.example", "publicKey": key},
            token=of_acme,
        ).status
        == 403
    )
    own = {
        "name": "y",
        "issuer": "https://y.example",
        "publicKey": key,
        "organization": "acme",
    }
    assert fresh.api("POST", "", own, token=of_acme).status == 201
    stolen = fresh.api("PATCH", "/y", {"organization": "*"}, token=of_acme)
    assert (stolen.status, stolen.json()["code"]) == (403, 900964)
    assert (
        fresh.api("PATCH", "/main", {"audiences": ["x"]}, token=of_acme).status == 404
    )
    assert fresh.api("DELETE", "/y", token=of_acme).status == 204


def test_issuers_of_the_settings_stay_as_they_are_and_nobody_speaks_for_another(
    fresh: World,
) -> None:
    assert (
        "declared in the settings"
        in fresh.platform.cli("issuer", "remove", "static", check=False).stderr
    )
    key = Key.make("k").pem()
    for issuer in (
        "https://static.example",
        fresh.issuer,
        "https://idp.am.wso2.com/token",
    ):
        assert (
            fresh.api(
                "POST", "", {"name": "z", "issuer": issuer, "publicKey": key}
            ).status
            == 409
        )


def test_what_happens_is_counted_and_logged(fresh: World) -> None:
    socket = str(fresh.platform.data_dir / "run" / "control.sock")

    def metrics() -> str:
        return subprocess.run(
            ["curl", "-s", "--unix-socket", socket, "http://localhost/metrics"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    def is_counted(token: str, reason: str) -> bool:
        # Each of Envoy's threads takes up an issuer and its keys by itself, and one that has not
        # yet gives another reason; and Envoy drops what it has to tell rather than wait. So one
        # call may not be counted as it should be, but another soon is.
        assert fresh.call(token).status == 401
        line = f'kapi_issuer_refused_tokens_total{{issuer="main",reason="{reason}"}}'
        time.sleep(0.2)
        return line in metrics()

    refused = {
        "expired": A.token(fresh.claims(exp=1)),
        "audience": A.token(fresh.claims(aud="invoices")),
        "signature": Key("a", "RS256", B.private).token(fresh.claims()),
    }
    for reason, token in refused.items():
        until(
            lambda token=token, reason=reason: is_counted(token, reason), told=metrics
        )
    assert 'kapi_issuer_keys{issuer="main"}' in metrics()
    over_https = fresh.platform.api(
        "/api/metrics", token=fresh.platform.token("kapi:metrics")
    )
    assert "kapi_issuer_fetch_failures_total" in over_https.body.decode()
    assert fresh.platform.api("/api/metrics").status == 401
    assert fresh.platform.request("api.am.wso2.com", "/metrics").status == 404
    assert (
        "issuer main: keys changed"
        in (fresh.platform.data_dir / "logs" / "control.log").read_text()
    )


def test_the_test_command_explains(fresh: World) -> None:
    good = fresh.platform.cli(
        "issuer", "test", "main", "-", stdin=A.token(fresh.claims(org_id="org_Acme_1"))
    )
    assert "FAIL" not in good.stdout
    assert "ok    organization  acme" in good.stdout
    for token, words in (
        (
            A.token(fresh.claims(iss=fresh.issuer + "/")),
            "They differ in a slash or in case only",
        ),
        ("opaque-token", "it is not a JWT"),
        ("a.b.c.d.e", "it is encrypted"),
        (A.token(fresh.claims(exp=1)), "the token is expired"),
        (A.token(fresh.claims(aud="invoices")), "accepted: orders"),
        (B.token(fresh.claims()), "is not among the keys: a"),
    ):
        told = fresh.platform.cli("issuer", "test", "main", token, check=False)
        assert told.returncode == 1
        assert words in told.stdout, told.stdout


def test_declared_issuers_and_their_keys_outlive_a_restart_while_the_issuer_is_away(
    fresh: World,
) -> None:
    token = A.token(fresh.claims())
    fresh.standin.mode = "hang"
    fresh.platform.stop()
    fresh.platform.start()
    assert fresh.call(token).status == 200
    assert fresh.platform.api("/api/deployer/1.2.0/apis", token=token).status == 200


def test_faulty_settings_are_refused_at_the_start_all_at_once(world: World) -> None:
    path = world.platform.data_dir.parent / "faulty.toml"
    path.write_text(
        '[[identity.issuers]]\nname = "a"\npreset = "auth0"\nalgorithms = ["HS256"]\n'
    )
    done = world.platform.cli(
        "up",
        "--config",
        str(path),
        "--data-dir",
        str(world.platform.data_dir.parent / "none"),
        check=False,
    )
    assert done.returncode == 3
    assert "issuer a: domain is missing" in done.stderr
    assert "'HS256' cannot be accepted" in done.stderr
