"""The verifiers that vendors publish accept tokens of emulated providers, and refuse wrong ones.

Each library gets its configuration as for the real provider: its requests to the vendor's hosts
come to the test server, over TLS, by name.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from javascript import PEERS
from proxy import proxy

from kapi.testing import Issuer, Server
from standin import self_signed
from waiting import until

TENANT = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490"
MICROSOFT = f"https://login.microsoftonline.com/{TENANT}"
ENVIRONMENT = "9ad15e9e-3ac6-43f7-a053-d46b87d6c4a7"
CLIENT = "4c0d7a5c-1111-4222-8333-444455556666"
SEED = {"clients": [{"id": CLIENT, "secret": "s", "grants": ["client_credentials"]}]}
WRONG = (
    "expired", "alg-none", "hs256-public-key", "wrong-key", "unknown-kid", "tampered-claims",
    "tampered-signature", "empty-signature", "embedded-key", "foreign-issuer", "wrong-audience",
)  # fmt: skip
"""Recipes that every verifier must refuse; some have no audience to check."""


@dataclass(frozen=True)
class Vendor:
    """An emulated provider. `facts` are what a developer configures; `user` signs in, if needed."""

    preset: str
    parameters: Mapping[str, str]
    facts: Mapping[str, str]
    user: str = ""
    wish: Mapping[str, Any] = field(default_factory=dict)


VENDORS = (
    Vendor(
        "auth0", {"domain": "acme.eu.auth0.com"},
        {
            "domain": "acme.eu.auth0.com", "issuer": "https://acme.eu.auth0.com/",
            "audience": "https://orders.example",
        },
        wish={"audience": "https://orders.example"},
    ),
    Vendor(
        "okta", {"domain": "acme.okta.com"},
        {"issuer": "https://acme.okta.com/oauth2/default", "audience": "api://default"},
    ),
    Vendor(
        "cognito", {"region": "eu-central-1", "pool": "eu-central-1_AbCdEfGhI"},
        {"pool": "eu-central-1_AbCdEfGhI", "client": CLIENT}, "org1user",
    ),
    Vendor("google", {}, {"client": CLIENT}, "org1user"),
    Vendor("firebase", {"project": "acme-prod"}, {"project": "acme-prod"}, "org1user"),
    Vendor(
        "clerk", {"domain": "clerk.acme.example"},
        {"issuer": "https://clerk.acme.example", "origin": "https://app.kapi.test"}, "org1user",
    ),
    Vendor(
        "entra", {"tenant": TENANT},
        {
            "issuer": f"{MICROSOFT}/v2.0", "audience": CLIENT,
            "discovery": f"{MICROSOFT}/v2.0/.well-known/openid-configuration",
            "keys": f"{MICROSOFT}/discovery/v2.0/keys",
        },
    ),
    Vendor(
        "entra-v1", {"tenant": TENANT},
        {
            "issuer": f"https://sts.windows.net/{TENANT}/", "audience": f"api://{CLIENT}",
            "discovery": f"{MICROSOFT}/.well-known/openid-configuration",
            "keys": f"{MICROSOFT}/discovery/keys",
        },
    ),
    Vendor(
        "keycloak", {"url": "https://sso.acme.example", "realm": "acme"},
        {
            "url": "https://sso.acme.example", "realm": "acme", "client": CLIENT,
            "issuer": "https://sso.acme.example/realms/acme",
        },
        "org1user", {"audience": CLIENT},
    ),
    Vendor(
        "supabase", {"project": "abcdefghijklmnopqrst"},
        {"url": "https://abcdefghijklmnopqrst.supabase.co"}, "org1user",
    ),
    Vendor(
        "asgardeo", {"organization": "acme"},
        {
            "issuer": "https://api.asgardeo.io/t/acme/oauth2/token", "client": CLIENT,
            "keys": "https://api.asgardeo.io/t/acme/oauth2/jwks",
        },
        "org1user",
    ),
    Vendor(
        "wso2is", {"domain": "is.acme.example:9443"},
        {
            "issuer": "https://is.acme.example:9443/oauth2/token", "client": CLIENT,
            "keys": "https://is.acme.example:9443/oauth2/jwks",
        },
        "org1user",
    ),
    Vendor(
        "pingone", {"environment": ENVIRONMENT, "tld": "eu"},
        {
            "issuer": f"https://auth.pingone.eu/{ENVIRONMENT}/as", "audience": "orders",
            "keys": f"https://auth.pingone.eu/{ENVIRONMENT}/as/jwks",
        },
        wish={"audience": "orders"},
    ),
    Vendor(
        "zitadel", {"domain": "acme-1234.zitadel.cloud"},
        {
            "issuer": "https://acme-1234.zitadel.cloud", "audience": "orders",
            "keys": "https://acme-1234.zitadel.cloud/oauth/v2/keys",
        },
        wish={"audience": "orders"},
    ),
)  # fmt: skip
NO_AUDIENCE = frozenset({"wrong-audience"})
"""Accepted by a library that checks no audience, or that is told none."""


@dataclass(frozen=True)
class Case:
    """A library that judges tokens of a provider."""

    registry: str
    verifier: str
    preset: str
    also_accepted: frozenset[str] = frozenset()


CASES = (
    Case("npm", "auth0", "auth0"),
    Case("npm", "okta", "okta"),
    Case("npm", "cognito", "cognito", NO_AUDIENCE),
    Case("npm", "google", "google"),
    Case("npm", "firebase", "firebase"),
    Case("npm", "clerk", "clerk", NO_AUDIENCE),
    Case("npm", "entra", "entra"),
    Case("npm", "entra", "entra-v1"),
    Case("npm", "keycloak", "keycloak"),
    Case("npm", "supabase", "supabase", NO_AUDIENCE),
    Case("npm", "asgardeo", "asgardeo"),
    Case("npm", "asgardeo", "wso2is"),
    Case("npm", "jose", "pingone"),
    Case("npm", "jose", "zitadel"),
    Case("pypi", "auth0", "auth0"),
    Case("pypi", "okta", "okta"),
    Case("pypi", "google", "google"),
    Case("pypi", "firebase", "firebase"),
    Case("pypi", "clerk", "clerk"),
    Case("pypi", "supabase", "supabase", NO_AUDIENCE),
    Case("pypi", "pyjwt", "entra-v1"),
    Case("go", "auth0", "auth0"),
    Case("go", "google", "google"),
    Case("go", "clerk", "clerk", NO_AUDIENCE),
    Case("go", "oidc", "keycloak"),
    Case("go", "zitadel", "zitadel"),
    Case("maven", "auth0", "auth0"),
    Case("maven", "okta", "okta"),
    Case("maven", "google", "google"),
)
VERIFIERS = Path(__file__).parent


def command_of(registry: str) -> list[str]:
    """What runs the libraries of a registry."""
    commands = {
        "npm": ["node", "--require", "./vendor-hosts.cjs", "verifiers.mjs"],
        "pypi": [
            str(VERIFIERS / "python/.venv/bin/python"),
            str(VERIFIERS / "python/verifiers.py"),
        ],
        "go": [str(VERIFIERS / "go/verifiers/verifiers")],
        "maven": [
            "java",
            "-cp",
            f"{VERIFIERS}/java/lib/*:{VERIFIERS}/java/lib/classes",
            "Verifiers",
        ],
    }
    return commands[registry]


@dataclass
class World:
    server: Server
    port: int
    proxy: int
    ca: Path

    def judged(
        self, case: Case, facts: Mapping[str, str], tokens: Mapping[str, str]
    ) -> dict[str, str]:
        """What the verifier says about each token."""
        told = {"verifier": case.verifier, "facts": dict(facts), "tokens": dict(tokens)}
        trusted = ("NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
        done = subprocess.run(
            [*command_of(case.registry), json.dumps(told)],
            cwd=PEERS,
            env={
                **os.environ,
                **dict.fromkeys(trusted, str(self.ca)),
                "VENDOR_PORT": str(self.port),
                "VENDOR_PROXY": str(self.proxy),
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout.splitlines()[-1]))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("vendors")
    with Server() as server:
        issuers = [
            server.emulate(one.preset, seed=SEED, **one.parameters) for one in VENDORS
        ]
        hosts = {host.partition(":")[0] for issuer in issuers for host in issuer.hosts}
        ca = self_signed(sorted(hosts), folder)
        listener = socket.create_server(("127.0.0.1", 0))
        pem = str(folder / "server.pem")
        config = uvicorn.Config(
            server.app,
            ssl_certfile=pem,
            ssl_keyfile=pem,
            log_config=None,
            lifespan="off",
        )
        running = uvicorn.Server(config)
        thread = threading.Thread(target=running.run, args=([listener],), daemon=True)
        thread.start()
        until(lambda: running.started)
        port = listener.getsockname()[1]
        with proxy(port) as leads_here:
            yield World(server, port, leads_here, ca)
        running.should_exit = True
        thread.join(10)


def name_of(case: Case) -> str:
    return f"{case.registry}-{case.preset}"


@pytest.mark.parametrize("case", CASES, ids=map(name_of, CASES))
def test_the_vendors_verifier_accepts_right_tokens_and_refuses_wrong_ones(
    world: World, case: Case
) -> None:
    issuer: Issuer = world.server.issuer(case.preset)
    (vendor,) = (one for one in VENDORS if one.preset == case.preset)
    wish = {"user": vendor.user, **vendor.wish}
    tokens = {"right": issuer.token(**wish)}
    tokens |= {name: issuer.mint(name, **wish) for name in WRONG}
    told = world.judged(case, vendor.facts, tokens)
    assert told.pop("right") == "accepted", told
    accepted = {label for label, said in told.items() if said == "accepted"}
    assert accepted == case.also_accepted, told
