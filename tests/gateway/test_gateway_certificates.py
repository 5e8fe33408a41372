"""Client certificates at the real Envoy: pinned ones, those of an authority, expired and foreign
ones, and tokens bound to one.
"""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import hashlib
import http.client
import http.server
import itertools
import socket
import socketserver
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from live_gateway import Gateway, Reply, api, backend, gateway

from kapi.apis.ir import ClientCertificates, Endpoint, SecretRef
from kapi.apis.kinds.rest import RestOperation
from kapi.apis.secrets import Secrets
from kapi.gateway.enforcer.certificates import judge
from kapi.gateway.envoy.resources.context import RenderContext
from kapi.gateway.envoy.resources.listener import listener
from kapi.gateway.envoy.resources.names import LISTENER
from kapi.gateway.envoy.stream.encode import encode
from kapi.policies.authentication.node import Authentication, Credential
from waiting import until

PATH = "/mtls/1.0.0"
NOW = dt.datetime.now(dt.UTC)
_numbers = itertools.count()


@dataclass
class Issued:
    certificate: x509.Certificate
    key: Any
    file: Path

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()


def issue(
    folder: Path,
    name: str,
    by: Issued | None = None,
    *,
    days: tuple[float, float] = (-1, 30),
    ca: bool | None = None,
    usage: x509.ObjectIdentifier | None = None,
    key: Any = None,
    digest: hashes.HashAlgorithm | None = None,
) -> Issued:
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.certificate.subject if by else subject)
    )
    builder = builder.public_key(key.public_key()).serial_number(
        x509.random_serial_number()
    )
    builder = builder.not_valid_before(
        NOW + dt.timedelta(days=days[0])
    ).not_valid_after(NOW + dt.timedelta(days=days[1]))
    if ca is not None:
        builder = builder.add_extension(
            x509.BasicConstraints(ca=ca, path_length=None), critical=True
        )
    if usage is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    made = builder.sign(by.key if by else key, digest or hashes.SHA256())
    file = folder / f"{next(_numbers)}.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    return Issued(made, key, file)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def issued(folder: Path) -> dict[str, Issued]:
    rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    authority, rsa_authority = (
        issue(folder, "partners", ca=True),
        issue(folder, "rsa partners", ca=True, key=rsa_key, digest=hashes.SHA384()),
    )
    namesake, expired_authority = (
        issue(folder, "partners", ca=True),
        issue(folder, "old partners", ca=True, days=(-30, -1)),
    )
    between = issue(folder, "between", authority, ca=True)
    client = ExtendedKeyUsageOID.CLIENT_AUTH
    return {
        "authority": authority,
        "rsa-authority": rsa_authority,
        "expired-authority": expired_authority,
        "pinned": issue(folder, "pinned"),
        "pinned-expired": issue(folder, "pinned-expired", days=(-30, -1)),
        "pinned-future": issue(folder, "pinned-future", days=(1, 30)),
        "stranger": issue(folder, "pinned"),
        "member": issue(folder, "member", authority, usage=client),
        "plain-member": issue(folder, "plain member", authority),
        "rsa-member": issue(
            folder, "rsa member", rsa_authority, digest=hashes.SHA512()
        ),
        "member-expired": issue(folder, "member", authority, days=(-30, -1)),
        "member-future": issue(folder, "member", authority, days=(1, 30)),
        "server-member": issue(
            folder, "server", authority, usage=ExtendedKeyUsageOID.SERVER_AUTH
        ),
        "disguised-server": issue(
            folder,
            "\x06\x08+\x06\x01\x05\x05\x07\x03\x02",
            authority,
            usage=ExtendedKeyUsageOID.SERVER_AUTH,
        ),
        "any-member": issue(
            folder, "any", authority, usage=ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE
        ),
        "namesake-member": issue(folder, "member", namesake),
        "grandchild": issue(folder, "member", between),
        "member-of-expired": issue(folder, "member", expired_authority),
    }


class Enforcer(socketserver.ThreadingUnixStreamServer):
    """The verdicts of the control process, on its socket."""

    daemon_threads = True
    asked = 0

    class RequestHandlerClass(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.server.asked += 1  # type: ignore[attr-defined]
            question = self.rfile.read(int(self.headers["content-length"]))
            answer = str(judge(question, time.time())).encode()
            self.send_response(200 if self.path == "/enforcer/certificate" else 404)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def address_string(self) -> str:
            return "unix"

        def log_message(self, *_: object) -> None:
            pass


@contextlib.contextmanager
def enforcer(path: str) -> Iterator[Enforcer]:
    with Enforcer(path, Enforcer.RequestHandlerClass) as server:
        threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()
        yield server
        server.shutdown()
    Path(path).unlink(missing_ok=True)


@pytest.fixture(scope="module")
def live(issued: dict[str, Issued], folder: Path) -> Iterator[Gateway]:
    values = {("default", "clients", name): item.pem for name, item in issued.items()}
    values["default", "clients", "bundle"] = (
        issued["pinned"].pem + issued["authority"].pem
    )
    settings = {
        "client_certificate_header": "X-WSO2-CLIENT-CERTIFICATE",
        "trusted_fronts": ("198.51.100.0/24",),
    }
    with (
        backend() as port,
        gateway(**settings) as it,
        enforcer(it.context.control_socket),
    ):
        it.context = replace(it.context, secrets=Secrets(MappingProxyType(values)))
        end = (Endpoint("http", "127.0.0.1", port),)

        def operation(
            path: str,
            *keys: str,
            mandatory: bool = True,
            credentials: tuple[Credential, ...] = (),
        ) -> RestOperation:
            accepted = ClientCertificates(
                mandatory, tuple(SecretRef("clients", key) for key in keys)
            )
            return RestOperation(
                "GET", path, end, (), (Authentication(True, credentials, accepted),)
            )

        optional = (Credential(mandatory=False),)
        operations = [
            operation("/pinned", "pinned", "pinned-expired", "pinned-future"),
            operation("/members", "authority", "rsa-authority", "expired-authority"),
            operation("/bundle", "bundle"),
            operation("/both", "pinned", credentials=(Credential(),)),
            operation("/either", "pinned", mandatory=False, credentials=optional),
            operation(
                "/token-needed", "pinned", mandatory=False, credentials=(Credential(),)
            ),
            operation("/token-welcome", "pinned", credentials=optional),
        ]
        open_one = RestOperation(
            "GET", "/open", end, (), (Authentication(required=False),)
        )
        token = RestOperation("GET", "/token", end, (), (Authentication(),))
        it.put(api("/mtls", [*operations, open_one, token]))
        yield it


def call(
    live: Gateway,
    path: str,
    who: Issued | None = None,
    *,
    token: str = "",
    sni: str = "default.gw.wso2.com",
    chain: Issued | None = None,
    **headers: str,
) -> Reply:
    context = ssl.create_default_context(cafile=str(live.certificate.ca_file))
    if who:
        file = who.file
        if chain:
            file = who.file.with_suffix(".chain")
            file.write_text(
                who.pem
                + chain.pem
                + who.file.read_text().partition("-----END CERTIFICATE-----")[2]
            )
        context.load_cert_chain(file)
    raw = socket.create_connection(("127.0.0.1", live.settings.gateway.port), timeout=5)
    connection = http.client.HTTPSConnection("127.0.0.1", timeout=5)
    with contextlib.closing(connection):
        connection.sock = context.wrap_socket(raw, server_hostname=sni)
        sent = {
            "Host": "default.gw.wso2.com",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        connection.request(
            "GET",
            f"{PATH}{path}",
            headers=sent | ({"Authorization": f"Bearer {token}"} if token else {}),
        )
        answer = connection.getresponse()
        return Reply(answer.status, answer.headers, answer.read())


def code(reply: Reply) -> str:
    return "200" if reply.status == 200 else reply.json["code"]


@pytest.mark.parametrize(
    ("who", "expected"),
    [
        ("pinned", "200"),
        ("pinned-expired", "900901"),
        ("pinned-future", "900901"),
        ("stranger", "900901"),
        ("member", "900901"),
        (None, "900902"),
    ],
)
def test_a_pinned_certificate(
    live: Gateway, issued: dict[str, Issued], who: str | None, expected: str
) -> None:
    assert code(call(live, "/pinned", issued[who] if who else None)) == expected


@pytest.mark.parametrize(
    ("who", "expected"),
    [
        ("member", "200"),
        ("plain-member", "200"),
        ("rsa-member", "200"),
        ("member-expired", "900901"),
        ("member-future", "900901"),
        ("server-member", "900901"),
        ("disguised-server", "900901"),
        ("any-member", "200"),
        ("namesake-member", "900901"),
        ("grandchild", "900901"),
        ("member-of-expired", "900901"),
        ("pinned", "900901"),
        (None, "900902"),
    ],
)
def test_a_certificate_of_an_authority(
    live: Gateway, issued: dict[str, Issued], who: str | None, expected: str
) -> None:
    for _ in range(2):
        assert code(call(live, "/members", issued[who] if who else None)) == expected


def test_one_secret_may_hold_several_certificates(
    live: Gateway, issued: dict[str, Issued]
) -> None:
    assert code(call(live, "/bundle", issued["pinned"])) == "200"
    assert code(call(live, "/bundle", issued["member"])) == "200"
    assert code(call(live, "/bundle", issued["rsa-member"])) == "900901"


def test_a_chain_that_the_client_sends_changes_nothing(
    live: Gateway, issued: dict[str, Issued]
) -> None:
    assert (
        code(
            call(live, "/members", issued["namesake-member"], chain=issued["authority"])
        )
        == "900901"
    )
    assert (
        code(call(live, "/pinned", issued["stranger"], chain=issued["pinned"]))
        == "900901"
    )


def test_the_server_name_decides_nothing(
    live: Gateway, issued: dict[str, Issued]
) -> None:
    for sni in ("localhost", "api.am.wso2.com", "x.sandbox.gw.wso2.com"):
        assert code(call(live, "/pinned", sni=sni)) == "900902"
        assert code(call(live, "/pinned", issued["pinned"], sni=sni)) == "200"


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_any_certificate_is_asked_for_so_that_clients_which_choose_by_authority_send_theirs(
    live: Gateway, issued: dict[str, Issued], version: str
) -> None:
    command = [
        "openssl",
        "s_client",
        "-connect",
        f"127.0.0.1:{live.settings.gateway.port}",
        "-cert",
        str(issued["pinned"].file),
        version,
    ]
    done = subprocess.run(
        command, input=b"", capture_output=True, timeout=10, check=False
    )
    said = done.stdout.decode()
    # Both are there only when the gateway asked, and the second only when it named no authority.
    assert "Requested Signature Algorithms" in said
    assert "No client certificate CA names sent" in said
    assert "Acceptable client certificate CA names" not in said


def test_a_certificate_and_a_token(live: Gateway, issued: dict[str, Issued]) -> None:
    token, pinned = live.minter.token(), issued["pinned"]
    table: list[tuple[str, Issued | None, str, str]] = [
        ("/both", pinned, token, "200"),
        ("/both", pinned, "", "900902"),
        ("/both", None, token, "900902"),
        ("/both", issued["stranger"], token, "900901"),
        ("/both", pinned, "a.b.c", "900901"),
        ("/either", pinned, "", "200"),
        ("/either", None, token, "200"),
        ("/either", issued["stranger"], token, "900901"),
        ("/either", issued["pinned-expired"], token, "900901"),
        ("/either", None, "", "900902"),
        ("/either", issued["stranger"], "", "900901"),
        ("/either", pinned, "a.b.c", "900901"),
        ("/token-needed", pinned, "", "900902"),
        ("/token-needed", None, token, "200"),
        ("/token-needed", issued["stranger"], token, "900901"),
        ("/token-needed", issued["pinned"], token, "200"),
        ("/token-welcome", pinned, "", "200"),
        ("/token-welcome", pinned, token, "200"),
        ("/token-welcome", pinned, "a.b.c", "900901"),
        ("/token-welcome", None, token, "900902"),
    ]
    for path, who, sent, expected in table:
        assert code(call(live, path, who, token=sent)) == expected, (
            path,
            bool(who),
            bool(sent),
        )


def test_other_operations_do_not_mind_a_certificate(
    live: Gateway, issued: dict[str, Issued]
) -> None:
    for who in ("pinned", "stranger", "pinned-expired", "namesake-member"):
        assert code(call(live, "/open", issued[who])) == "200"
        assert (
            code(call(live, "/token", issued[who], token=live.minter.token())) == "200"
        )


def test_a_certificate_in_a_header_is_worth_nothing_from_anybody(
    live: Gateway, issued: dict[str, Issued]
) -> None:
    pem = issued["pinned"].pem
    for value in (
        quote(pem),
        pem.replace("\n", " "),
        base64.b64encode(pem.encode()).decode(),
    ):
        assert code(call(live, "/pinned", X_WSO2_CLIENT_CERTIFICATE=value)) == "900902"
        assert (
            code(call(live, "/pinned", X_Forwarded_Client_Cert=f"Cert={quote(pem)}"))
            == "900902"
        )
    seen = call(
        live,
        "/pinned",
        issued["pinned"],
        X_WSO2_CLIENT_CERTIFICATE=quote(pem),
        X_Forwarded_Client_Cert="Hash=1",
    )
    assert not {"x-wso2-client-certificate", "x-forwarded-client-cert"} & set(
        seen.json["headers"]
    )


def test_a_certificate_in_a_header_of_a_trusted_front(
    live: Gateway, issued: dict[str, Issued]
) -> None:
    before = live.context
    gateway_settings = replace(before.gateway, trusted_fronts=("127.0.0.0/8", "::1"))
    try:
        settings_changed(live, replace(before, gateway=gateway_settings))
        pinned = quote(issued["pinned"].pem)
        until(
            lambda: (
                call(live, "/pinned", X_WSO2_CLIENT_CERTIFICATE=pinned).status == 200
            )
        )
        for form in (
            quote,
            lambda pem: pem.replace("\n", " "),
            lambda pem: "".join(pem.splitlines()[1:-1]),
        ):
            for who, path, expected in (
                ("pinned", "/pinned", "200"),
                ("stranger", "/pinned", "900901"),
                ("pinned-expired", "/pinned", "900901"),
                ("member", "/members", "200"),
                ("member-expired", "/members", "900901"),
            ):
                reply = call(
                    live, path, X_WSO2_CLIENT_CERTIFICATE=form(issued[who].pem)
                )
                assert code(reply) == expected, (who, path)
                assert (
                    reply.status != 200
                    or "x-wso2-client-certificate" not in reply.json["headers"]
                )
        for rubbish in (
            "",
            "x",
            "%%%",
            "-----BEGIN CERTIFICATE----- !! -----END CERTIFICATE-----",
            "MAA=",
            "A" * 12_000,
            "MIIB" * 2000,
        ):
            assert (
                call(live, "/pinned", X_WSO2_CLIENT_CERTIFICATE=rubbish).status == 401
            )
        # A caller without the header is judged by the connection.
        assert code(call(live, "/pinned", issued["pinned"])) == "200"
        assert code(call(live, "/pinned")) == "900902"
    finally:
        settings_changed(live, before)
        until(
            lambda: (
                call(live, "/pinned", X_WSO2_CLIENT_CERTIFICATE=pinned).status == 401
            )
        )


def settings_changed(live: Gateway, context: RenderContext) -> None:
    """Publish what a start with other settings would."""
    live.context = context
    live.put(*live.apis.values())
    live.publisher.publish([encode(LISTENER, listener(context))])


def test_dates_of_a_pinned_certificate_in_a_header_count_unless_the_settings_say_otherwise(
    live: Gateway, issued: dict[str, Issued]
) -> None:
    before = live.context

    def in_header(name: str, path: str = "/pinned") -> str:
        return code(call(live, path, X_WSO2_CLIENT_CERTIFICATE=quote(issued[name].pem)))

    try:
        for dates, expected in ((True, "900901"), (False, "200")):
            changed = replace(
                before.gateway,
                trusted_fronts=("127.0.0.0/8",),
                header_certificate_dates=dates,
            )
            settings_changed(live, replace(before, gateway=changed))
            until(lambda: in_header("pinned") == "200")
            assert [in_header("pinned-expired"), in_header("pinned-future")] == [
                expected
            ] * 2
            # Neither the connection nor an authority asks that setting.
            assert code(call(live, "/pinned", issued["pinned-expired"])) == "900901"
            assert [in_header("member-expired", "/members"), in_header("stranger")] == [
                "900901"
            ] * 2
    finally:
        settings_changed(live, before)
        until(lambda: in_header("pinned") == "900902")


def test_a_certificate_is_judged_once(issued: dict[str, Issued]) -> None:
    secrets = Secrets(
        MappingProxyType({("default", "clients", "authority"): issued["authority"].pem})
    )
    accepted = ClientCertificates(True, (SecretRef("clients", "authority"),))
    with backend() as port, gateway() as it:
        it.context = replace(it.context, secrets=secrets)
        node = Authentication(True, (), accepted)
        it.put(
            api(
                "/mtls",
                [
                    RestOperation(
                        "GET",
                        "/members",
                        (Endpoint("http", "127.0.0.1", port),),
                        (),
                        (node,),
                    )
                ],
            )
        )
        # The call of a certificate that nobody has judged goes nowhere while the control process is
        # away.
        assert call(it, "/members", issued["member"]).status == 500
        assert code(call(it, "/members")) == "900902"
        with enforcer(it.context.control_socket) as server:
            for _ in range(3):
                assert code(call(it, "/members", issued["member"])) == "200"
                assert code(call(it, "/members", issued["server-member"])) == "900901"
            assert server.asked == 2
        assert code(call(it, "/members", issued["member"])) == "200"


def test_a_token_bound_to_a_certificate_needs_its_connection(
    live: Gateway, issued: dict[str, Issued]
) -> None:
    def digest(name: str) -> str:
        raw = hashlib.sha256(
            issued[name].certificate.public_bytes(serialization.Encoding.DER)
        ).digest()
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    bound = live.minter.token(cnf={"x5t#S256": digest("stranger")})
    assert code(call(live, "/token", issued["stranger"], token=bound)) == "200"
    assert code(call(live, "/token", issued["pinned"], token=bound)) == "900901"
    assert code(call(live, "/token", token=bound)) == "900901"
    twice = live.minter.token(cnf={"x5t#S256": digest("stranger"), "jkt": "x"})
    assert code(call(live, "/token", issued["stranger"], token=twice)) == "900901"
    for odd in ("", "x", 7, None, [digest("stranger")]):
        assert (
            code(
                call(
                    live,
                    "/token",
                    issued["stranger"],
                    token=live.minter.token(cnf={"x5t#S256": odd}),
                )
            )
            == "900901"
        )
