"""Every preset: tokens of that provider's shape are accepted in the same places as ours, and each
typical mistake is refused.

A stand-in serves each provider's keys under the provider's own host and path, over TLS.
"""

from __future__ import annotations

import http.client
import json
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from urllib.parse import urlsplit

import pytest
from vendors import VENDORS, Vendor

from harness import DEFINITION, Answer, Platform, conf, free_port
from outsiders import attacks
from standin import Key, StandIn


@cache
def key_of(preset: str) -> Key:
    """The signing key of a vendor."""
    vendor = next(vendor for vendor in VENDORS if vendor.preset == preset)
    return Key.make(f"key-of-{preset}", vendor.alg)


@dataclass
class World:
    platform: Platform
    standin: StandIn
    operator: str
    connection: http.client.HTTPSConnection

    def call(self, token: str, path: str = "/items") -> Answer:
        return self._get("default.gw.wso2.com", f"/echo/1.0.0{path}", token)

    def _get(self, host: str, path: str, token: str) -> Answer:
        """Over a connection that is kept: there are thousands of calls."""
        self.connection.request(
            "GET",
            path,
            headers={
                "Host": f"{host}:{self.platform.port}",
                "Authorization": f"Bearer {token}",
            },
        )
        answer = self.connection.getresponse()
        return Answer(answer.status, dict(answer.getheaders()), answer.read())

    def walk(self, vendor: Vendor, token: str) -> list[dict[str, str]]:
        """What `kapi issuer test` shows."""
        body = ("--data-binary", json.dumps({"token": token}))
        answer = self.platform.api(
            f"/api/issuers/{vendor.preset}/test", *body, token=self.operator
        )
        steps: list[dict[str, str]] = answer.json()["steps"]
        return steps

    def deploys(self, token: str) -> Answer:
        return self._get("api.am.wso2.com", "/api/deployer/1.2.0/apis", token)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, echo: int) -> Iterator[World]:
    hosts = tuple(sorted({urlsplit(vendor.keys).hostname or "" for vendor in VENDORS}))
    standin = StandIn(hosts=hosts, jwks_paths=set()).start()
    for vendor in VENDORS:
        parts = urlsplit(vendor.keys)
        standin.documents[f"{parts.netloc}{parts.path}"] = {
            "keys": [key_of(vendor.preset).jwk()]
        }
    folder = tmp_path_factory.mktemp("kapi")
    names = "".join(f'"{host}" = "127.0.0.1:{standin.port}"\n' for host in hosts)
    (folder / "kapi.toml").write_text(f"[gateway.hosts]\n{names}")
    platform = Platform(
        free_port(), folder / "data", ("--config", str(folder / "kapi.toml"))
    )
    platform.start()
    assert platform.deploy(conf(port=echo), DEFINITION).status == 200
    for vendor in VENDORS:
        added = platform.cli(
            "issuer", "add", vendor.preset, *vendor.arguments, "--ca", str(standin.ca)
        )
        assert f"trusted: {vendor.issuer}, 1 key" in added.stderr
    context = ssl._create_unverified_context()
    connection = http.client.HTTPSConnection(
        "127.0.0.1", platform.port, context=context, timeout=10
    )
    yield World(platform, standin, platform.token("kapi:issuers"), connection)
    platform.stop()
    standin.stop()
    logs = "".join(
        path.read_text() for path in (platform.data_dir / "logs").glob("*.log")
    )
    assert "Traceback" not in logs
    assert "eyJ" not in logs, "a token is in a log"


@pytest.mark.parametrize("vendor", VENDORS, ids=[vendor.preset for vendor in VENDORS])
def test_a_token_of_this_provider_is_accepted_wherever_ours_is(
    world: World, vendor: Vendor
) -> None:
    token = key_of(vendor.preset).token(
        {"iss": vendor.issuer, **vendor.claims}, **vendor.header
    )
    assert world.call(token).status == 200
    assert world.call(token, "/items/1").status == (200 if vendor.scoped else 403)
    answer = world.deploys(token)
    assert answer.status == (200 if vendor.scoped else 403), answer.body
    steps = {step["step"]: step for step in world.walk(vendor, token)}
    assert steps["signature"]["result"] == "ok"
    assert steps["client"]["detail"] == (vendor.client or "the token names no client")


def test_claims_that_auth0_names_by_uris(world: World) -> None:
    """A claim of one's own has a namespace there: as a header for the backend, as the place of
    scopes, as the organization.
    """
    vendor = next(vendor for vendor in VENDORS if vendor.preset == "auth0")
    roles, tenant, organization = (
        "https://shop.example/roles",
        "https://acme.com/tenant.id",
        "https://acme.com/organization",
    )
    options = (
        "--scopes-claim",
        roles,
        "--claim",
        f"{tenant}=x-tenant",
        "--claim",
        f"{organization}=organization",
    )
    add = (
        "issuer",
        "add",
        "auth0",
        "--replace",
        *vendor.arguments,
        "--ca",
        str(world.standin.ca),
    )
    assert world.platform.cli(*add, *options).returncode == 0
    claims = {
        "iss": vendor.issuer,
        **vendor.claims,
        tenant: "t-1",
        organization: "acme",
    }
    token = key_of("auth0").token(
        {**claims, roles: ["items:read", "apk:api_create"]}, **vendor.header
    )
    try:
        assert world.call(token, "/items/1").json()["headers"]["x-tenant"] == "t-1"
        assert world.deploys(token).status == 200
        steps = {step["step"]: step for step in world.walk(vendor, token)}
        assert "items:read" in steps["scopes"]["detail"]
        for others in (
            {},
            {roles: ["items:reader"]},
            {"https://shop": {"example/roles": ["items:read", "apk:api_create"]}},
        ):
            token = key_of("auth0").token(
                {**claims, "permissions": ["items:read", "apk:api_create"], **others},
                **vendor.header,
            )
            assert world.call(token, "/items/1").json()["code"] == "900910"
            assert world.deploys(token).status == 403
    finally:
        assert world.platform.cli(*add).returncode == 0


CASES = [(vendor, label) for vendor in VENDORS for label in vendor.mistakes]


@pytest.mark.parametrize(
    ("vendor", "label"),
    CASES,
    ids=[f"{vendor.preset}: {label}" for vendor, label in CASES],
)
def test_a_typical_mistake_is_refused(world: World, vendor: Vendor, label: str) -> None:
    change = vendor.mistakes[label]
    claims = {
        "iss": vendor.issuer,
        **vendor.claims,
        **{name: value for name, value in change.items() if not name.startswith("_")},
    }
    header = {
        **vendor.header,
        **{name[1:]: value for name, value in change.items() if name.startswith("_")},
    }
    token = key_of(vendor.preset).token(claims, **header)
    for answer in (world.call(token), world.deploys(token)):
        assert (answer.status, str(answer.json()["code"])) == (401, "900901")
    failed = [step for step in world.walk(vendor, token) if step["result"] == "fail"]
    assert failed
    assert all(step["hint"] for step in failed)


@pytest.mark.parametrize("vendor", VENDORS, ids=[vendor.preset for vendor in VENDORS])
def test_a_key_of_another_provider_does_not_count(world: World, vendor: Vendor) -> None:
    other = key_of("auth0" if vendor.preset != "auth0" else "okta")
    for kid in (other.kid, key_of(vendor.preset).kid):
        token = other.token(
            {"iss": vendor.issuer, **vendor.claims}, **{"kid": kid, **vendor.header}
        )
        assert world.call(token).status == 401
        assert world.deploys(token).status == 401


@pytest.mark.parametrize("vendor", VENDORS, ids=[vendor.preset for vendor in VENDORS])
def test_who_cannot_sign_gets_nowhere(world: World, vendor: Vendor) -> None:
    """The attacks that verifiers have fallen for, at the gateway and at the system APIs."""
    key = key_of(vendor.preset)
    claims = {"iss": vendor.issuer, **vendor.claims}
    tokens = attacks(
        key.token(claims, **vendor.header),
        key.jwk(),
        f"https://localhost:{world.standin.port}",
    )
    asked = len(world.standin.requests)
    for label, token in tokens.items():
        for answer in (world.call(token), world.deploys(token)):
            assert (answer.status, str(answer.json()["code"])) == (401, "900901"), label
    assert [
        path
        for _, path, _ in world.standin.requests[asked:]
        if path in {"/jwks", "/x.pem"}
    ] == []


@pytest.mark.parametrize("vendor", VENDORS, ids=[vendor.preset for vendor in VENDORS])
def test_times_are_checked(world: World, vendor: Vendor) -> None:
    now = int(time.time())
    claims = {"iss": vendor.issuer, **vendor.claims}
    for changes, code in (
        ({"exp": now - 60}, "900903"),
        ({"exp": ...}, "900901"),
        ({"exp": "tomorrow"}, "900901"),
        ({"exp": None}, "900901"),
        ({"nbf": now + 60}, "900901"),
    ):
        token = key_of(vendor.preset).token({**claims, **changes}, **vendor.header)
        for answer in (world.call(token), world.deploys(token)):
            assert (answer.status, str(answer.json()["code"])) == (401, code), changes
