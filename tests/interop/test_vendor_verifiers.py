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

from kapi.testing import Issuer, Server
from standin import self_signed
from waiting import until

TENANT = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490"
ENVIRONMENT = "9ad15e9e-3ac6-43f7-a053-d46b87d6c4a7"
CLIENT = "4c0d7a5c-1111-4222-8333-444455556666"
SEED = {"clients": [{"id": CLIENT, "secret": "s", "grants": ["client_credentials"]}]}
WRONG = (
    "expired", "alg-none", "hs256-public-key", "wrong-key", "unknown-kid", "tampered-claims",
    "tampered-signature", "empty-signature", "embedded-key", "foreign-issuer", "wrong-audience",
)  # fmt: skip
"""Recipes that every verifier must refuse; some have no audience to check."""


@dataclass(frozen=True)
class Case:
    """One verifier. `facts` are what a developer configures; `user` signs in, if it needs one."""

    preset: str
    verifier: str
    parameters: Mapping[str, str]
    facts: Mapping[str, str]
    user: str = ""
    also_accepted: tuple[str, ...] = ()
    wish: Mapping[str, Any] = field(default_factory=dict)


CASES = (
    Case(
        "auth0", "auth0", {"domain": "acme.eu.auth0.com"},
        {"issuer": "https://acme.eu.auth0.com/", "audience": "https://orders.example"},
        wish={"audience": "https://orders.example"},
    ),
    Case(
        "okta", "okta", {"domain": "acme.okta.com"},
        {"issuer": "https://acme.okta.com/oauth2/default", "audience": "api://default"},
    ),
    Case(
        "cognito", "cognito", {"region": "eu-central-1", "pool": "eu-central-1_AbCdEfGhI"},
        {"pool": "eu-central-1_AbCdEfGhI", "client": CLIENT}, "org1user", ("wrong-audience",),
    ),
    Case("google", "google", {}, {"client": CLIENT}, "org1user"),
    Case("firebase", "firebase", {"project": "acme-prod"}, {"project": "acme-prod"}, "org1user"),
    Case(
        "clerk", "clerk", {"domain": "clerk.acme.example"}, {"origin": "https://app.kapi.test"},
        "org1user", ("wrong-audience",),
    ),
    Case(
        "entra", "entra", {"tenant": TENANT},
        {
            "issuer": f"https://login.microsoftonline.com/{TENANT}/v2.0", "audience": CLIENT,
            "discovery": f"https://login.microsoftonline.com/{TENANT}/v2.0/.well-known/openid-configuration",
        },
    ),
    Case(
        "keycloak", "keycloak", {"url": "https://sso.acme.example", "realm": "acme"},
        {"url": "https://sso.acme.example", "realm": "acme", "client": CLIENT}, "org1user",
        wish={"audience": CLIENT},
    ),
    Case(
        "supabase", "supabase", {"project": "abcdefghijklmnopqrst"},
        {"url": "https://abcdefghijklmnopqrst.supabase.co"}, "org1user", ("wrong-audience",),
    ),
    Case(
        "asgardeo", "asgardeo", {"organization": "acme"},
        {
            "issuer": "https://api.asgardeo.io/t/acme/oauth2/token", "client": CLIENT,
            "keys": "https://api.asgardeo.io/t/acme/oauth2/jwks",
        },
        "org1user",
    ),
    Case(
        "wso2is", "asgardeo", {"domain": "is.acme.example:9443"},
        {
            "issuer": "https://is.acme.example:9443/oauth2/token", "client": CLIENT,
            "keys": "https://is.acme.example:9443/oauth2/jwks",
        },
        "org1user",
    ),
    Case(
        "pingone", "jose", {"environment": ENVIRONMENT, "tld": "eu"},
        {
            "issuer": f"https://auth.pingone.eu/{ENVIRONMENT}/as", "audience": "orders",
            "keys": f"https://auth.pingone.eu/{ENVIRONMENT}/as/jwks",
        },
        wish={"audience": "orders"},
    ),
    Case(
        "zitadel", "jose", {"domain": "acme-1234.zitadel.cloud"},
        {
            "issuer": "https://acme-1234.zitadel.cloud", "audience": "orders",
            "keys": "https://acme-1234.zitadel.cloud/oauth/v2/keys",
        },
        wish={"audience": "orders"},
    ),
)  # fmt: skip


@dataclass
class World:
    server: Server
    port: int
    ca: Path

    def judged(self, case: Case, tokens: Mapping[str, str]) -> dict[str, str]:
        """What the verifier says about each token."""
        told = {"verifier": case.verifier, "facts": dict(case.facts), "tokens": dict(tokens)}
        done = subprocess.run(
            ["node", "--require", "./vendor-hosts.cjs", "verifiers.mjs", json.dumps(told)],
            cwd=PEERS,
            env={
                **os.environ,
                "NODE_EXTRA_CA_CERTS": str(self.ca),
                "VENDOR_PORT": str(self.port),
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
        issuers = [server.emulate(case.preset, seed=SEED, **case.parameters) for case in CASES]
        hosts = {host.partition(":")[0] for issuer in issuers for host in issuer.hosts}
        ca = self_signed(sorted(hosts), folder)
        listener = socket.create_server(("127.0.0.1", 0))
        pem = str(folder / "server.pem")
        config = uvicorn.Config(
            server.app, ssl_certfile=pem, ssl_keyfile=pem, log_config=None, lifespan="off"
        )
        running = uvicorn.Server(config)
        thread = threading.Thread(target=running.run, args=([listener],), daemon=True)
        thread.start()
        until(lambda: running.started)
        yield World(server, listener.getsockname()[1], ca)
        running.should_exit = True
        thread.join(10)


@pytest.mark.parametrize("case", CASES, ids=[case.preset for case in CASES])
def test_the_vendors_verifier_accepts_right_tokens_and_refuses_wrong_ones(
    world: World, case: Case
) -> None:
    issuer: Issuer = world.server.issuer(case.preset)
    wish = {"user": case.user, **case.wish}
    tokens = {"right": issuer.token(**wish)}
    tokens |= {name: issuer.mint(name, **wish) for name in WRONG}
    told = world.judged(case, tokens)
    assert told.pop("right") == "accepted"
    accepted = {label for label, said in told.items() if said == "accepted"}
    assert accepted == set(case.also_accepted), told
