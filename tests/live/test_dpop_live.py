"""DPoP at deployed APIs (RFC 9449 §7): who gets in, every way to be refused, and nobody unproven
while the enforcer is away.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
import os
import re
import signal
import time
import uuid
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey

from harness import BASIC, DEFINITION, Answer, Platform, conf, free_port
from waiting import awaited

HOST = "default.gw.wso2.com"
ALGS = 'algs="RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA Ed25519"'
METADATA = f'resource_metadata="https://{HOST}:'
KEY, OTHER = ECKey.generate_key("P-256"), ECKey.generate_key("P-256")
PATHS = {
    "optional": "/opt/1.0.0/items",
    "mandatory": "/must/1.0.0/items",
    "upstream": "/up/1.0.0/items",
    "": "/none/1.0.0/items",
}


@pytest.fixture(scope="module", autouse=True)
def apis(platform: Platform, echo: int) -> None:
    for name, base, item in (
        ("Opt", "/opt", "dpop: optional"),
        ("Must", "/must", "dpop: mandatory"),
        ("Up", "/up", "dpop: optional, sendTokenToUpstream: true"),
        ("None", "/none", "enabled: true"),
    ):
        text = conf(
            name,
            base,
            port=echo,
            extra=f"authentication:\n- {{authType: OAuth2, {item}}}\n",
        )
        assert platform.deploy(text, DEFINITION).status == 200


def proof(
    platform: Platform,
    path: str,
    token: str | None,
    key: Any = KEY,
    header: dict[str, Any] | None = None,
    **claims: Any,
) -> str:
    ath = (
        {}
        if token is None
        else {
            "ath": base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest())
            .rstrip(b"=")
            .decode()
        }
    )
    body = {
        "jti": str(uuid.uuid4()),
        "htm": "GET",
        "htu": f"https://{HOST}:{platform.port}{path}",
        "iat": int(time.time()),
        **ath,
        **claims,
    }
    top = {
        "typ": "dpop+jwt",
        "alg": "EdDSA" if isinstance(key, OKPKey) else "ES256",
        "jwk": key.as_dict(private=False),
        **(header or {}),
    }
    return jwt.encode(
        top,
        {name: value for name, value in body.items() if value is not None},
        key,
        algorithms=[top["alg"]],
    )


def bound(platform: Platform, key: Any = KEY) -> str:
    made = proof(
        platform,
        "",
        None,
        key,
        htm="POST",
        htu=f"https://idp.am.wso2.com:{platform.port}/oauth2/token",
    )
    fields = (
        "-H",
        f"Authorization: Basic {BASIC}",
        "-H",
        f"DPoP: {made}",
        "-d",
        "grant_type=client_credentials",
        "-d",
        "scope=items:read",
    )
    answer = platform.request("idp.am.wso2.com", "/oauth2/token", *fields).json()
    assert answer["token_type"] == "DPoP"
    return answer["access_token"]


def call(
    platform: Platform,
    path: str,
    token: str,
    *proofs: str,
    scheme: str = "DPoP",
    more: tuple[str, ...] = (),
) -> Answer:
    headers = [
        f"Authorization: {scheme} {token}",
        *(f"DPoP: {item}" for item in proofs),
    ]
    return platform.request(
        HOST, path, *(part for item in headers for part in ("-H", item)), *more
    )


def assert_refused(answer: Answer, error: str = "invalid_dpop_proof") -> None:
    assert (answer.status, answer.json()["code"]) == (401, "900901"), answer
    assert answer.headers["www-authenticate"].startswith(
        f'DPoP realm="kapi", error="{error}", {ALGS}, {METADATA}'
    )


@pytest.mark.parametrize("http", ["--http1.1", "--http2"])
@pytest.mark.parametrize("api", ["optional", "mandatory"])
@pytest.mark.parametrize(
    "key", [KEY, OKPKey.generate_key("Ed25519")], ids=["EC", "Ed25519"]
)
def test_a_caller_who_proves_the_key_gets_in(
    platform: Platform, api: str, key: Any, http: str
) -> None:
    token, path = bound(platform, key), PATHS[api]
    for scheme in ("DPoP", "dpop", "dpOp"):
        answer = call(
            platform,
            f"{path}?a=b",
            token,
            proof(platform, path, token, key),
            scheme=scheme,
            more=(http,),
        )
        assert answer.status == 200, answer
        assert not {"authorization", "dpop"} & answer.json()["headers"].keys()


def test_who_comes_with_nothing_is_told_what_to_come_with(platform: Platform) -> None:
    told = {
        api: platform.request(HOST, path).headers["www-authenticate"]
        for api, path in PATHS.items()
    }
    where = {
        api: (
            f"{METADATA}{platform.port}/.well-known/"
            f'oauth-protected-resource{path.removesuffix("/items")}"'
        )
        for api, path in PATHS.items()
    }
    assert told["mandatory"] == f'DPoP realm="kapi", {ALGS}, {where["mandatory"]}'
    assert (
        told["optional"]
        == f'Bearer realm="kapi", {where["optional"]}, DPoP realm="kapi", {ALGS}'
    )
    assert told[""] == f'Bearer realm="kapi", {where[""]}'
    broken = call(
        platform,
        PATHS["mandatory"],
        "a.b.c",
        proof(platform, PATHS["mandatory"], "a.b.c"),
    )
    assert (
        broken.headers["www-authenticate"]
        == f'DPoP realm="kapi", error="invalid_token", {ALGS}, {where["mandatory"]}'
    )
    bearer = call(platform, PATHS["optional"], "a.b.c", scheme="Bearer")
    assert bearer.headers["www-authenticate"] == (
        f'Bearer realm="kapi", error="invalid_token", {where["optional"]}, DPoP realm="kapi", '
        f"{ALGS}"
    )


def test_the_metadata_of_an_api_say_what_it_takes(platform: Platform) -> None:
    documents = {}
    for api, path in PATHS.items():
        found = re.search(
            r'resource_metadata="https://[^/]+([^"]+)"',
            platform.request(HOST, path).headers["www-authenticate"],
        )
        assert found
        documents[api] = platform.request(HOST, found[1]).json()
        assert (
            documents[api]["resource"]
            == f"https://{HOST}:{platform.port}{path.removesuffix('/items')}"
        )
    for api in ("optional", "mandatory"):
        assert {"ES256", "EdDSA", "RS256"} < set(
            documents[api]["dpop_signing_alg_values_supported"]
        )
    assert "dpop_signing_alg_values_supported" not in documents[""]
    assert [
        document.get("dpop_bound_access_tokens_required", False)
        for document in documents.values()
    ] == [False, True, False, False]
    assert documents["mandatory"]["bearer_methods_supported"] == []


def test_scopes_still_count(platform: Platform) -> None:
    token, path = bound(platform), PATHS["optional"] + "/1"
    assert call(platform, path, token, proof(platform, path, token)).status == 200


def test_the_backend_sees_both_where_the_conf_says_so(platform: Platform) -> None:
    token, path = bound(platform), PATHS["upstream"]
    made = proof(platform, path, token)
    seen = call(platform, path, token, made).json()["headers"]
    assert (seen["authorization"], seen["dpop"]) == (f"DPoP {token}", made)


def test_bad_proofs_are_refused(platform: Platform) -> None:
    token, path, now = bound(platform), PATHS["optional"], int(time.time())
    good, second = proof(platform, path, token), proof(platform, path, token)
    assert call(platform, path, token, good).status == 200
    host = f"https://{HOST}:{platform.port}"
    bad: dict[str, tuple[str, ...]] = {
        "none": (),
        "replayed": (good,),
        "two": (second, proof(platform, path, token)),
        "nonsense": ("nonsense",),
        "long": ("a" * 9000,),
        "another key": (proof(platform, path, token, OTHER),),
        "signed by another": (
            proof(platform, path, token, OTHER, {"jwk": KEY.as_dict(private=False)}),
        ),
        "private key": (
            proof(platform, path, token, header={"jwk": KEY.as_dict(private=True)}),
        ),
        "no type": (proof(platform, path, token, header={"typ": "JWT"}),),
        "method": (proof(platform, path, token, htm="POST"),),
        "path": (proof(platform, path, token, htu=f"{host}/opt/1.0.0/other"),),
        "host": (
            proof(
                platform,
                path,
                token,
                htu=f"https://default.sandbox.gw.wso2.com:{platform.port}{path}",
            ),
        ),
        "scheme": (
            proof(platform, path, token, htu=f"http://{HOST}:{platform.port}{path}"),
        ),
        "port": (proof(platform, path, token, htu=f"https://{HOST}:1{path}"),),
        "old": (proof(platform, path, token, iat=now - 400),),
        "early": (proof(platform, path, token, iat=now + 400),),
        "no time": (proof(platform, path, token, iat=None),),
        "no id": (proof(platform, path, token, jti=None),),
        "no ath": (proof(platform, path, None),),
        "another token": (proof(platform, path, bound(platform)),),
    }
    for name, proofs in bad.items():
        for http in ("--http1.1", "--http2"):
            answer = call(platform, path, token, *proofs, more=(http,))
            assert answer.status == 401, (name, answer)
            assert_refused(answer)
    # A proof that was refused because it came with another one was not used up.
    assert call(platform, path, token, second).status == 200


def test_the_scheme_must_fit_the_token(platform: Platform) -> None:
    token, plain = bound(platform), platform.token("items:read")
    for api in ("optional", "mandatory"):
        path = PATHS[api]
        assert_refused(
            call(platform, path, plain, proof(platform, path, plain)), "invalid_token"
        )
        under_bearer = call(
            platform, path, token, proof(platform, path, token), scheme="Bearer"
        )
        assert (under_bearer.status, under_bearer.json()["code"]) == (401, "900901")
        two = call(
            platform,
            path,
            token,
            proof(platform, path, token),
            more=("-H", f"Authorization: Bearer {plain}"),
        )
        assert (two.status, two.json()["code"]) in {(401, "900901"), (400, "400")}, two
        broken = call(platform, path, token[:-4] + "AAAA", proof(platform, path, token))
        assert (broken.status, broken.json()["code"]) == (401, "900901")
    assert call(platform, PATHS["optional"], plain, scheme="Bearer").status == 200
    assert_refused(
        call(platform, PATHS["mandatory"], plain, scheme="Bearer"), "invalid_token"
    )
    assert call(platform, PATHS[""], plain, scheme="Bearer").status == 200
    for scheme in ("DPoP", "Bearer"):
        answer = call(
            platform, PATHS[""], token, proof(platform, PATHS[""], token), scheme=scheme
        )
        assert answer.status == 401, answer


def test_the_enforcer_answers_nonsense_plainly(platform: Platform) -> None:
    import http.client
    import socket

    for question in (
        b"",
        b"[]",
        b"null",
        b'{"token": 1}',
        b"[" * 2000,
        b"\xff",
        b"x" * 200_000,
    ):
        connection = http.client.HTTPConnection("localhost", timeout=5)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(str(platform.data_dir / "run" / "control.sock"))
        connection.request("POST", "/enforcer/dpop", question)
        assert connection.getresponse().status in (400, 413)
        connection.close()


def test_nobody_unproven_gets_in_while_the_enforcer_is_away(platform: Platform) -> None:
    token, path = bound(platform), PATHS["optional"]
    used, ahead = (
        proof(platform, path, token),
        proof(platform, path, token, iat=int(time.time()) + 55),
    )
    assert call(platform, path, token, used).status == 200
    assert call(platform, path, token, ahead).status == 200
    control = platform.pid("control")
    os.kill(control, signal.SIGSTOP)
    try:
        answer = call(platform, path, token, proof(platform, path, token))
        assert (answer.status, answer.json()["code"]) == (500, "102500")
    finally:
        os.kill(control, signal.SIGKILL)
    answer = awaited(
        lambda: call(platform, path, token, used), lambda answer: answer.status != 500
    )
    # The new process has no memory of it, and takes no proof from before its time.
    assert_refused(answer)
    answer = awaited(
        lambda: call(platform, path, token, proof(platform, path, token)),
        lambda answer: answer.status == 200,
    )
    assert json.loads(answer.body)["method"] == "GET"
    # Nor one that it dated ahead and used before; another of that kind is good, once.
    assert_refused(call(platform, path, token, ahead))
    ahead = proof(platform, path, token, iat=int(time.time()) + 50)
    assert call(platform, path, token, ahead).status == 200
    assert_refused(call(platform, path, token, ahead))


def test_a_token_that_is_bound_twice_needs_both_proofs(
    platform: Platform, tmp_path: Path
) -> None:
    """RFC 9449 and RFC 8705 together: the key of a proof, and the certificate of the connection."""
    signer, own = RSAKey.generate_key(2048), certificate(tmp_path / "own.pem")
    certificate(tmp_path / "stranger.pem")
    (tmp_path / "issuer.pem").write_bytes(signer.as_pem(private=False))
    issuer = "https://partner.example"
    platform.cli(
        "issuer",
        "add",
        "oidc",
        issuer,
        "--name",
        "partner",
        "--public-key",
        str(tmp_path / "issuer.pem"),
    )
    now = int(time.time())
    claims = {
        "iss": issuer,
        "sub": "me",
        "iat": now,
        "exp": now + 600,
        "scope": "items:read",
        "cnf": {"jkt": KEY.thumbprint(), "x5t#S256": own},
    }
    token = jwt.encode({"alg": "RS256", "typ": "at+jwt"}, claims, signer)
    path = PATHS["optional"]
    shown = {
        "own": ("--cert", str(tmp_path / "own.pem")),
        "stranger": ("--cert", str(tmp_path / "stranger.pem")),
        "none": (),
    }
    for api in ("optional", "mandatory"):
        path = PATHS[api]
        assert (
            call(
                platform, path, token, proof(platform, path, token), more=shown["own"]
            ).status
            == 200
        )
        for who in ("stranger", "none"):
            assert_refused(
                call(
                    platform, path, token, proof(platform, path, token), more=shown[who]
                ),
                "invalid_token",
            )
        assert_refused(call(platform, path, token, more=shown["own"]))
        assert_refused(
            call(
                platform,
                path,
                token,
                proof(platform, path, token, OTHER),
                more=shown["own"],
            )
        )
        assert (
            call(platform, path, token, scheme="Bearer", more=shown["own"]).status
            == 401
        )
    for scheme in ("DPoP", "Bearer"):
        assert (
            call(
                platform,
                PATHS[""],
                token,
                proof(platform, PATHS[""], token),
                scheme=scheme,
                more=shown["own"],
            ).status
            == 401
        )
    more = {**claims, "cnf": {**claims["cnf"], "other": "x"}}
    unknown = jwt.encode({"alg": "RS256", "typ": "at+jwt"}, more, signer)
    assert_refused(
        call(
            platform, path, unknown, proof(platform, path, unknown), more=shown["own"]
        ),
        "invalid_token",
    )


def certificate(path: Path) -> str:
    """A client certificate with its key in one file; its thumbprint."""
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = (
        x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, path.stem)]),
        dt.datetime.now(dt.UTC),
    )
    made = x509.CertificateBuilder(
        name,
        name,
        key.public_key(),
        x509.random_serial_number(),
        now,
        now + dt.timedelta(1),
    )
    signed = made.sign(key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(signed.public_bytes(pem) + private)
    return (
        base64.urlsafe_b64encode(signed.fingerprint(hashes.SHA256()))
        .rstrip(b"=")
        .decode()
    )


def test_behind_a_front_and_with_nonces(tmp_path: Path, echo: int) -> None:
    """Callers reach the gateway at another port than it listens on, and each proof must hold a
    nonce (RFC 9449 §9).
    """
    (tmp_path / "kapi.toml").write_text(
        "[gateway]\npublic_port = 443\nversion_routing = true\n[identity]\ndpop_nonce = true\n"
    )
    front = Platform(
        free_port(), tmp_path / "data", ("--config", str(tmp_path / "kapi.toml"))
    )
    front.start()
    started = int(time.time())
    try:
        text = conf(
            "Must",
            "/must",
            port=echo,
            extra="authentication:\n- {authType: OAuth2, dpop: mandatory}\n",
        )
        assert front.deploy(text, DEFINITION).status == 200
        where = {"htm": "POST", "htu": "https://idp.am.wso2.com/oauth2/token"}
        asking = (
            "-H",
            f"Authorization: Basic {BASIC}",
            "-d",
            "grant_type=client_credentials",
        )
        first = front.request(
            "idp.am.wso2.com",
            "/oauth2/token",
            *asking,
            "-H",
            f"DPoP: {proof(front, '', None, **where)}",
        )
        assert first.json()["error"] == "use_dpop_nonce"
        made = proof(front, "", None, **where, nonce=first.headers["dpop-nonce"])
        token = front.request(
            "idp.am.wso2.com", "/oauth2/token", *asking, "-H", f"DPoP: {made}"
        ).json()["access_token"]
        told_by_alias(front, echo)
        while int(time.time()) <= started:
            # A proof of the very second of the start may have been used before it.
            time.sleep(0.05)
        path = PATHS["mandatory"]
        good = {"htu": f"https://{HOST}{path}"}
        assert (
            '="https://default.gw.wso2.com/.well-known/'
            in front.request(HOST, path).headers["www-authenticate"]
        )
        for http in ("--http1.1", "--http2"):
            asked = call(
                front, path, token, proof(front, path, token, **good), more=(http,)
            )
            assert_told(asked)
            again = proof(front, path, token, **good, nonce=asked.headers["dpop-nonce"])
            assert call(front, path, token, again, more=(http,)).status == 200
            assert (
                "dpop-nonce"
                not in call(front, path, token, again, more=(http,)).headers
            )
        nonce = asked.headers["dpop-nonce"]
        assert_told(
            call(
                front, path, token, proof(front, path, token, **good, nonce=nonce[:-1])
            )
        )
        listening = call(front, path, token, proof(front, path, token, nonce=nonce))
        assert "htu" in listening.json()["error_description"]
    finally:
        front.stop()


def told_by_alias(front: Platform, echo: int) -> None:
    """The metadata are there for each path that an API answers on."""
    assert (
        front.deploy(conf("Aliased", "/aliased", "v1.2", port=echo), DEFINITION).status
        == 200
    )
    for base in ("/aliased/v1.2", "/aliased/v1"):
        address = f"https://{HOST}/.well-known/oauth-protected-resource{base}"
        assert (
            f'resource_metadata="{address}"'
            in front.request(HOST, f"{base}/items").headers["www-authenticate"]
        )
        assert (
            front.request(HOST, f"/.well-known/oauth-protected-resource{base}").json()[
                "resource"
            ]
            == f"https://{HOST}{base}"
        )
    assert (
        front.request(HOST, "/.well-known/oauth-protected-resource/aliased/v2").status
        == 404
    )


def assert_told(answer: Answer) -> None:
    assert (answer.status, answer.json()["code"]) == (401, "900901"), answer
    assert answer.headers["www-authenticate"].startswith(
        'DPoP realm="kapi", error="use_dpop_nonce"'
    )
    assert (
        answer.headers["access-control-expose-headers"]
        == "DPoP-Nonce, WWW-Authenticate"
    )
    assert answer.headers["dpop-nonce"]
