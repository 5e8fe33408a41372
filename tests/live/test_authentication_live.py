"""Authentication from a conf to the gateway: client certificates by named secrets, tokens
elsewhere, combinations that are refused.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from joserfc.jwk import ECKey

from harness import DEFINITION, Answer, Platform, conf

HOST = "default.gw.wso2.com"


def certificate(folder: Path, name: str) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    subject, now = (
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]),
        dt.datetime.now(dt.UTC),
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
    )
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(
        now - dt.timedelta(days=1)
    )
    made = builder.not_valid_after(now + dt.timedelta(days=1)).sign(
        key, hashes.SHA256()
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / f"{name}.crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / f"{name}.pem").write_bytes(
        made.public_bytes(serialization.Encoding.PEM) + private
    )
    return folder / f"{name}.pem"


def jwk_of(path: Path) -> dict[str, Any]:
    """The certificate as RFC 8705 §2.2.2 registers it."""
    found = x509.load_pem_x509_certificate(path.read_bytes())
    pem = found.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    x5c = base64.b64encode(found.public_bytes(serialization.Encoding.DER)).decode()
    return {**ECKey.import_key(pem).as_dict(private=False), "x5c": [x5c]}


def call(platform: Platform, path: str, *arguments: str) -> Answer:
    return platform.request(HOST, path, *arguments)


def test_a_certificate_named_in_the_conf(
    platform: Platform, echo: int, tmp_path: Path
) -> None:
    first, second = certificate(tmp_path, "first"), certificate(tmp_path, "second")
    items = "authentication:\n- {authType: OAuth2, enabled: false}\n"
    text = conf(
        "Mutual",
        "/mutual",
        port=echo,
        extra=(
            f"{items}- {{authType: mTLS, required: mandatory, certificates: [{{name: m, key: "
            f"c}}]}}\n"
        ),
    )
    refused = platform.deploy(text, DEFINITION)
    assert (refused.status, "kapi secret set m c" in refused.json()["hint"]) == (
        400,
        True,
    )
    platform.cli("secret", "set", "m", "c", "--file", str(tmp_path / "first.crt"))
    assert platform.deploy(text, DEFINITION).status == 200
    for version in ("--http1.1", "--http2"):
        assert call(platform, "/mutual/1.0.0/items", version).json()["code"] == "900902"
        assert (
            call(platform, "/mutual/1.0.0/items", version, "--cert", str(first)).status
            == 200
        )
        assert (
            call(
                platform, "/mutual/1.0.0/items", version, "--cert", str(second)
            ).json()["code"]
            == "900901"
        )
        # A certificate has no scopes and needs none, as in APK.
        assert (
            call(
                platform, "/mutual/1.0.0/items/1", version, "--cert", str(first)
            ).status
            == 200
        )
    platform.cli("secret", "set", "m", "c", "--file", str(tmp_path / "second.crt"))
    assert call(platform, "/mutual/1.0.0/items", "--cert", str(second)).status == 200
    assert (
        call(platform, "/mutual/1.0.0/items", "--cert", str(first)).json()["code"]
        == "900901"
    )
    assert platform.cli(
        "secret", "set", "m", "c", "--file", str(first), check=False
    ).returncode in {0, 3}
    (tmp_path / "no.crt").write_text(
        "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"
    )
    assert (
        platform.cli(
            "secret", "set", "m", "c", "--file", str(tmp_path / "no.crt"), check=False
        ).returncode
        == 3
    )


def test_a_token_in_another_header_and_in_the_query(
    platform: Platform, echo: int
) -> None:
    items = (
        "authentication:\n- {authType: OAuth2, headerName: X-Token, queryParamName: t, "
        "queryParamEnable: true}\n"
    )
    assert (
        platform.deploy(
            conf("Elsewhere", "/elsewhere", port=echo, extra=items), DEFINITION
        ).status
        == 200
    )
    token = platform.token("items:read")
    for version in ("--http1.1", "--http2"):
        seen = call(
            platform,
            "/elsewhere/1.0.0/items/1?x=%20y",
            version,
            "-H",
            f"X-Token: Bearer {token}",
        )
        assert (seen.status, seen.json()["path"]) == (200, "/backend/items/1?x=%20y")
        assert "x-token" not in seen.json()["headers"]
        assert (
            call(platform, f"/elsewhere/1.0.0/items/1?t={token}", version).json()[
                "path"
            ]
            == "/backend/items/1"
        )
        refused = call(
            platform,
            "/elsewhere/1.0.0/items/1",
            version,
            "-H",
            f"X-Token: Bearer {platform.token('x')}",
        )
        assert (refused.status, refused.json()["code"]) == (403, "900910")
        assert refused.headers["www-authenticate"] == (
            'Bearer realm="kapi", error="insufficient_scope", scope="items:read", '
            f'resource_metadata="https://{HOST}:{platform.port}/.well-known/'
            'oauth-protected-resource/elsewhere/1.0.0"'
        )
        assert (
            call(
                platform,
                "/elsewhere/1.0.0/items",
                version,
                "-H",
                f"Authorization: Bearer {token}",
            ).json()["code"]
            == "900902"
        )


def test_a_raw_jwt_with_an_audience(platform: Platform, echo: int) -> None:
    items = (
        "authentication:\n- {authType: OAuth2, enabled: false}\n"
        "- {authType: JWT, headerName: X-JWT, audience: [somebody]}\n"
    )
    assert (
        platform.deploy(conf("Raw", "/raw", port=echo, extra=items), DEFINITION).status
        == 200
    )
    answer = call(platform, "/raw/1.0.0/items", "-H", f"X-JWT: {platform.token()}")
    assert (answer.status, answer.json()["code"]) == (401, "900901")


NO_OAUTH2 = "- {authType: OAuth2, enabled: false}\n"
COMBINATIONS = {
    "oauth2-disabled": (NO_OAUTH2, "any caller may call"),
    "both-disabled": (
        NO_OAUTH2 + "- {authType: mTLS, enabled: false}\n",
        "any caller may call",
    ),
    "mtls-optional": (
        NO_OAUTH2 + "- {authType: mTLS, certificates: [{name: alone, key: c}]}\n",
        "a client certificate is still needed",
    ),
    "oauth2-optional": (
        "- {authType: OAuth2, required: optional}\n- {authType: mTLS, enabled: false}\n",
        "is still needed",
    ),
}


def test_combinations_that_apk_deploys_are_warnings_and_are_enforced(
    platform: Platform, echo: int, tmp_path: Path
) -> None:
    good, other = certificate(tmp_path, "alone"), certificate(tmp_path, "stranger")
    platform.cli("secret", "set", "alone", "c", "--file", str(tmp_path / "alone.crt"))
    (tmp_path / "openapi.json").write_text(DEFINITION)
    for name, (items, warning) in COMBINATIONS.items():
        file = tmp_path / "api.apk-conf"
        file.write_text(
            conf(name, f"/{name}", port=echo, extra=f"authentication:\n{items}")
        )
        said = platform.cli("deploy", str(file), str(tmp_path / "openapi.json"))
        assert warning in said.stderr, name
    for name in ("oauth2-disabled", "both-disabled"):
        # /items/{id} asks for a scope, which no caller could have.
        assert call(platform, f"/{name}/1.0.0/items").status == 200
        assert call(platform, f"/{name}/1.0.0/items/1").status == 200
    assert call(platform, "/mtls-optional/1.0.0/items").json()["code"] == "900902"
    assert (
        call(platform, "/mtls-optional/1.0.0/items", "--cert", str(other)).json()[
            "code"
        ]
        == "900901"
    )
    assert (
        call(platform, "/mtls-optional/1.0.0/items", "--cert", str(good)).status == 200
    )
    assert call(platform, "/oauth2-optional/1.0.0/items").json()["code"] == "900902"
    token = platform.token()
    assert (
        call(
            platform,
            "/oauth2-optional/1.0.0/items",
            "-H",
            f"Authorization: Bearer {token}",
        ).status
        == 200
    )
    bad = call(
        platform,
        "/oauth2-optional/1.0.0/items",
        "-H",
        f"Authorization: Bearer {token[:-4]}AAAA",
    )
    assert (bad.status, bad.json()["code"]) == (401, "900901")


def test_a_combination_that_nobody_could_pass(platform: Platform, echo: int) -> None:
    extra = f"subscriptionValidation: true\nauthentication:\n{NO_OAUTH2}"
    answer = platform.deploy(
        conf("Nobody", "/nobody", port=echo, extra=extra), DEFINITION
    )
    assert (answer.status, answer.json()["code"]) == (400, 909018)
    (found,) = answer.json()["diagnostics"]
    assert (found["line"], found["pointer"]) == (8, "#/authentication/0")


def test_two_organizations_do_not_share_a_trust(platform: Platform, echo: int) -> None:
    assert platform.deploy(conf("Plain", "/plain", port=echo), DEFINITION).status == 200
    token = platform.token()
    assert (
        call(
            platform, "/plain/1.0.0/items", "-H", f"Authorization: Bearer {token}"
        ).status
        == 200
    )
    assert (
        platform.request(
            "other.gw.wso2.com",
            "/plain/1.0.0/items",
            "-H",
            f"Authorization: Bearer {token}",
        ).status
        == 404
    )


def test_the_first_token_bound_to_a_certificate_is_good_at_once_and_only_with_it(
    platform: Platform, echo: int, tmp_path: Path
) -> None:
    assert platform.deploy(conf("Bound", "/bound", port=echo), DEFINITION).status == 200
    mine, other = certificate(tmp_path, "mine"), certificate(tmp_path, "other")
    client = {
        "client_name": "bound",
        "grant_types": ["client_credentials"],
        "token_endpoint_auth_method": "self_signed_tls_client_auth",
        "tls_client_certificate_bound_access_tokens": True,
        "jwks": {"keys": [jwk_of(tmp_path / "mine.crt")]},
    }
    token = platform.token("kapi:clients")
    asked = (
        "-H",
        f"Authorization: Bearer {token}",
        "-H",
        "Content-Type: application/json",
        "-d",
        json.dumps(client),
    )
    registered = platform.request("idp.am.wso2.com", "/dcr/register", *asked)
    assert registered.status == 201, registered.body
    fields = (
        "-d",
        "grant_type=client_credentials",
        "-d",
        "scope=items:read",
        "-d",
        f"client_id={registered.json()['client_id']}",
    )
    issued = platform.request(
        "idp.am.wso2.com", "/oauth2/token", "--cert", str(mine), *fields
    )
    assert issued.status == 200, issued.body
    bearer = ("-H", f"Authorization: Bearer {issued.json()['access_token']}")
    assert (
        call(platform, "/bound/1.0.0/items", *bearer, "--cert", str(mine)).status == 200
    )
    for stranger in ((), ("--cert", str(other))):
        assert (
            call(platform, "/bound/1.0.0/items", *bearer, *stranger).json()["code"]
            == "900901"
        )
