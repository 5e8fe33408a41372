"""Tokens bound to a DPoP key or a client certificate: what binds, and every hostile proof with its
exact answer.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from client_keys import certificate, key, proof, public, signed, thumbprint
from idp import basic, call, identity_app
from kapi.errors import OAuthError
from kapi.identity.possession.dpop import NONCE_SECONDS, Nonces, verify_proof
from kapi.settings import ClientSettings, IdentitySettings, Settings
from kapi.store import Store

NOW = 1_800_000_000
URL = "https://idp.am.wso2.com:9095/oauth2/token"
KEY = key("ES256")
OWN = certificate("own")
CLIENTS = (
    *IdentitySettings().clients,
    ClientSettings(id="must", secret="m", dpop_bound_access_tokens=True),
    ClientSettings(
        id="cert",
        secret="c",
        scopes=("kapi:clients",),
        tls_client_certificate_bound_access_tokens=True,
    ),
)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("dpop")
    return identity_app(
        Settings(folder, IdentitySettings(clients=CLIENTS)),
        Store.open(folder / "kapi.db"),
        lambda: NOW,
    )


def claims_of(token: str) -> dict[str, Any]:
    return json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))


COUNT = iter(range(10**6))


def fresh(**changed: Any) -> str:
    by, header = changed.pop("by", KEY), changed.pop("header", None)
    made: dict[str, Any] = {"jti": f"p{next(COUNT)}"} | changed
    return proof(
        by, made.pop("htm", "POST"), made.pop("htu", URL), NOW, header=header, **made
    )


@pytest.mark.parametrize("algorithm", ["ES256", "ES384", "RS256", "PS256", "EdDSA"])
def test_a_proof_binds_the_token(app: Any, algorithm: str) -> None:
    answer = call(app, authorization=basic(), dpop=fresh(by=key(algorithm)))
    assert answer.json()["token_type"] == "DPoP"
    assert claims_of(answer.json()["access_token"])["cnf"] == {
        "jkt": thumbprint(key(algorithm))
    }


@pytest.mark.parametrize(
    "htu", [URL + "?a=b#c", "HTTPS://IDP.am.wso2.com:9095/oauth2/token"]
)
def test_spellings_of_the_same_address(app: Any, htu: str) -> None:
    assert call(app, authorization=basic(), dpop=fresh(htu=htu)).status == 200


PRIVATE = {
    name: value
    for name, value in KEY.as_dict(private=True).items()
    if name not in {"kid", "use", "alg"}
}
REFUSED: dict[str, Callable[[], Any]] = {
    "another method": lambda: fresh(htm="GET"),
    "method in lower case": lambda: fresh(htm="post"),
    "another path": lambda: fresh(htu="https://idp.am.wso2.com:9095/oauth2/authorize"),
    "another host": lambda: fresh(htu="https://evil.example:9095/oauth2/token"),
    "another port": lambda: fresh(htu="https://idp.am.wso2.com/oauth2/token"),
    "htu that is no URL": lambda: fresh(htu="https://[x"),
    "old": lambda: fresh(iat=NOW - 301),
    "of the future": lambda: fresh(iat=NOW + 61),
    "no iat": lambda: fresh(iat=None),
    "iat is text": lambda: fresh(iat=str(NOW)),
    "no jti": lambda: fresh(jti=None),
    "typ JWT": lambda: fresh(header={"typ": "JWT"}),
    "no typ": lambda: fresh(header={"typ": None}),
    "no key": lambda: fresh(header={"jwk": None}),
    "a private key": lambda: fresh(header={"jwk": PRIVATE}),
    "another key": lambda: fresh(
        header={"jwk": public(key("ES256", "two"))["keys"][0]}
    ),
    "a symmetric key": lambda: signed(
        {"jti": "s", "htm": "POST", "htu": URL, "iat": NOW},
        b"k" * 32,
        {"typ": "dpop+jwt", "jwk": {"kty": "oct", "k": "a2s"}},
    ),
    "key is text": lambda: fresh(header={"jwk": "x"}),
    "key is malformed": lambda: fresh(
        header={"jwk": {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}}
    ),
    "crit": lambda: fresh(header={"crit": ["x"], "x": 1}),
    "two headers": lambda: [fresh(), fresh()],
    "two proofs in one header": lambda: f"{fresh()}, {fresh()}",
    "not a JWT": lambda: "hello",
    "empty": lambda: "",
    "alg none": lambda: (
        base64.urlsafe_b64encode(b'{"typ":"dpop+jwt","alg":"none"}')
        .decode()
        .rstrip("=")
        + ".e30."
    ),
    "large": lambda: fresh(more="x" * 9000),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(app: Any, case: str) -> None:
    answer = call(app, authorization=basic(), dpop=REFUSED[case]())
    assert (answer.status, answer.json()["error"]) == (400, "invalid_dpop_proof")
    assert not set('"\\') & set(answer.json()["error_description"])


def test_a_proof_holds_once(app: Any) -> None:
    once = fresh()
    assert call(app, authorization=basic(), dpop=once).status == 200
    assert (
        call(app, authorization=basic(), dpop=once).json()["error"]
        == "invalid_dpop_proof"
    )


def test_nobody_learns_of_proofs_without_authentication(app: Any) -> None:
    once = fresh()
    assert call(app, authorization=basic(secret="no"), dpop=once).status == 401
    assert call(app, authorization=basic(), dpop=once).status == 200


def test_clients_that_must_bind(app: Any) -> None:
    assert (
        call(app, authorization=basic("must", "m")).json()["error"]
        == "invalid_dpop_proof"
    )
    assert (
        call(app, authorization=basic("must", "m"), dpop=fresh()).json()["token_type"]
        == "DPoP"
    )
    assert (
        call(app, authorization=basic("cert", "c")).json()["error"] == "invalid_request"
    )
    bound = call(
        app, authorization=basic("cert", "c"), x_kapi_client_certificate=OWN.forwarded
    ).json()
    assert bound["token_type"] == "Bearer"
    assert claims_of(bound["access_token"])["cnf"] == {"x5t#S256": OWN.x5t}


REGISTER = "https://idp.am.wso2.com:9095/dcr/register"
BOUND: dict[str, tuple[dict[str, Any], str, int]] = {
    "its key": ({"by": KEY}, "DPoP", 201),
    "another key": ({"by": key("ES256", "two")}, "DPoP", 401),
    "the scheme Bearer": ({"by": KEY}, "Bearer", 401),
    "its certificate": ({"certificate": OWN}, "Bearer", 201),
    "another certificate": ({"certificate": certificate("other")}, "Bearer", 401),
    "the scheme DPoP with a certificate": ({"certificate": OWN}, "DPoP", 401),
}


@pytest.mark.parametrize("shown", BOUND)
def test_a_bound_token_needs_its_key_or_certificate(app: Any, shown: str) -> None:
    """RFC 9449 §7.1, RFC 8705 §3: at a protected endpoint of the provider."""
    what, scheme, status = BOUND[shown]
    body = b"grant_type=client_credentials&scope=kapi:clients"
    headers: dict[str, Any] = {}
    if "by" in what:
        issued = call(app, body=body, authorization=basic(), dpop=fresh())
        token = issued.json()["access_token"]
        headers["dpop"] = proof(
            what["by"], "POST", REGISTER, NOW, token, jti=f"register {next(COUNT)}"
        )
    else:
        certified = {"x_kapi_client_certificate": OWN.forwarded}
        issued = call(app, body=body, authorization=basic("cert", "c"), **certified)
        token = issued.json()["access_token"]
        headers["x_kapi_client_certificate"] = what["certificate"].forwarded
    answer = call(
        app,
        path="/dcr/register",
        body=json.dumps(
            {"client_name": "Shop", "grant_types": ["client_credentials"]}
        ).encode(),
        authorization=f"{scheme} {token}",
        content_type="application/json",
        **headers,
    )
    assert answer.status == status, answer.body
    if status == 401:
        assert answer.json()["error"] == "invalid_token"


def test_nonces(tmp_path: Path) -> None:
    now = [NOW]
    app = identity_app(
        Settings(tmp_path, IdentitySettings(dpop_nonce=True)),
        Store.open(tmp_path / "kapi.db"),
        lambda: now[0],
    )
    first = call(app, authorization=basic(), dpop=fresh())
    assert (first.status, first.json()["error"]) == (400, "use_dpop_nonce")
    nonce = first.headers["dpop-nonce"]
    assert call(app, authorization=basic(), dpop=fresh(nonce=nonce)).status == 200
    for wrong in ("", "x", nonce[:-1], 7):
        assert (
            call(app, authorization=basic(), dpop=fresh(nonce=wrong)).json()["error"]
            == "use_dpop_nonce"
        )
    now[0] += 300
    assert (
        call(app, authorization=basic(), dpop=fresh(nonce=nonce, iat=now[0])).status
        == 200
    )
    now[0] += 301
    late = call(app, authorization=basic(), dpop=fresh(nonce=nonce, iat=now[0]))
    assert late.json()["error"] == "use_dpop_nonce"
    assert late.headers["dpop-nonce"] != nonce
    # Another worker with the same store knows the same nonces.
    other = identity_app(
        Settings(tmp_path, IdentitySettings(dpop_nonce=True)),
        Store.open(tmp_path / "kapi.db"),
        lambda: now[0],
    )
    assert (
        call(
            other,
            authorization=basic(),
            dpop=fresh(nonce=late.headers["dpop-nonce"], iat=now[0]),
        ).status
        == 200
    )


def test_the_token_belongs_to_the_proof() -> None:
    def check(sent: str, token: str) -> str:
        return verify_proof(
            [sent],
            "GET",
            "https://api.example/x?q=1",
            NOW,
            lambda _, __: False,
            token=token,
            nonces=None,
        )

    right = proof(KEY, "GET", "https://api.example/x", NOW, "token")
    assert check(right, "token") == thumbprint(KEY)
    for sent, token in (
        (right, "other"),
        (proof(KEY, "GET", "https://api.example/x", NOW), "token"),
    ):
        with pytest.raises(OAuthError, match="ath"):
            check(sent, token)


@pytest.mark.parametrize(
    ("age", "accepted"),
    [(0, True), (299, True), (300, True), (599, True), (600, False), (-1, False)],
)
def test_a_nonce_is_accepted_in_its_window_and_in_the_next(
    age: int, accepted: bool
) -> None:
    """So that it is valid for at least `NONCE_SECONDS`, whenever it was made."""
    nonces = Nonces(b"a" * 32)
    begins = NOW - NOW % NONCE_SECONDS
    assert nonces.holds(nonces.fresh(begins), begins + age) is accepted


def test_nonces_are_of_one_secret() -> None:
    assert not Nonces(b"a" * 32).holds(Nonces(b"b" * 32).fresh(NOW), NOW)
