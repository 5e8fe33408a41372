"""Garbage, oversized, truncated, duplicated, wrong-typed input to every endpoint: a clear 4xx,
never a trace, nothing changed.
"""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

import pytest

from harness import DEFINITION, Answer, Platform, conf

GENERATE = "/api/configurator/1.2.0/apis/generate-configuration"
DEPLOY = "/api/deployer/1.2.0/apis/deploy"
UNDEPLOY = "/api/deployer/1.2.0/apis/undeploy"


@pytest.fixture(scope="module")
def token(platform: Platform) -> str:
    return platform.token("apk:api_create")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("parts")
    contents = {
        "conf": conf(port=1).encode(),
        "definition": DEFINITION.encode(),
        "empty": b"",
        "binary": bytes(range(256)) * 64,
        "list": b"[1, 2, 3]",
        "number": b"42",
        "deep": b"[" * 5000,
        "aliases": b"a: &a [x]\n"
        + b"".join(
            (
                f"b{n}: &b{n} [{'*b' + str(n - 1) if n else '*a'}, "
                f"{'*b' + str(n - 1) if n else '*a'}]\n"
            ).encode()
            for n in range(40)
        ),
        "tag": b"name: !!python/object/apply:os.system ['true']\n",
        "truncated": conf(port=1).encode()[:70],
        "large": b"name: " + b"x" * (1024 * 1024 + 10),
        "huge": b" " * (10 * 1024 * 1024 + 10),
        "nul": b'name: "a\0b"\n',
        "surrogate": b'name: "\\uD800"\n',
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return {name: str(folder / name) for name in contents}


def is_clear(answer: Answer) -> None:
    assert 400 <= answer.status < 500, (answer.status, answer.body[:300])
    body = answer.json()
    assert body["message"]
    assert body["description"]
    assert "Traceback" not in answer.body.decode()


@pytest.mark.parametrize(
    "bad",
    [
        "empty",
        "binary",
        "list",
        "number",
        "deep",
        "aliases",
        "tag",
        "truncated",
        "large",
        "huge",
        "nul",
        "surrogate",
    ],
)
def test_a_bad_conf_or_definition_is_refused(
    platform: Platform, token: str, files: dict[str, str], bad: str
) -> None:
    is_clear(
        platform.api(
            DEPLOY,
            "--form",
            f"apkConfiguration=@{files[bad]}",
            "--form",
            f"definitionFile=@{files['definition']}",
            token=token,
        )
    )
    if bad != "large":
        is_clear(
            platform.api(
                DEPLOY,
                "--form",
                f"apkConfiguration=@{files['conf']}",
                "--form",
                f"definitionFile=@{files[bad]}",
                token=token,
            )
        )
        is_clear(platform.api(GENERATE, "--form", f"definition=@{files[bad]}"))
    assert platform.api("/api/deployer/apis", token=token).json() == {"apis": []}


@pytest.mark.parametrize(
    "arguments",
    [
        ["-X", "POST"],
        ["-d", "a=b"],
        ["-H", "Content-Type: application/json", "-d", "{}"],
        ["-H", "Content-Type: multipart/form-data", "-d", "x"],
        ["-H", "Content-Type: multipart/form-data; boundary=", "-d", "x"],
        [
            "-H",
            "Content-Type: multipart/form-data; boundary=b",
            "-d",
            "--b\r\nContent-Disposition: form-data; name=definition",
        ],
        [
            "-H",
            "Content-Type: multipart/form-data; boundary=b; charset=nonsense",
            "--data-binary",
            '--b\r\nContent-Disposition: form-data; name="url"\r\n\r\nx\r\n--b--\r\n',
        ],
        [
            "--form",
            "apkConfiguration=a",
            "--form",
            "apkConfiguration=b",
            "--form",
            "definitionFile=c",
        ],
        ["--form", "definition=a", "--form", "url=http://127.0.0.1/"],
        ["--form", "url=file:///etc/passwd"],
        ["--form", "url=http://169.254.169.254/latest/meta-data"],
        ["--form", "url=http://127.0.0.1:1/nothing"],
        ["--form", "url=gopher://x"],
        ["--form", "url=http://"],
        ["--form", "definition=a", "--form", "apiType=NONSENSE"],
        ["--form", "apkConfiguration=only"],
        [arg for number in range(40) for arg in ("--form", f"f{number}=x")],
    ],
)
def test_a_bad_form_is_refused(
    platform: Platform, token: str, arguments: list[str]
) -> None:
    for path in (GENERATE, DEPLOY):
        is_clear(platform.api(path, *arguments, token=token))


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?apiId=",
        "?apiId=a&apiId=b",
        "?apiId=%00",
        "?apiId=" + "x" * 5000,
        "?apiId='%20OR%201=1",
        "?apiId=%ff",
    ],
)
def test_a_bad_id_is_refused(platform: Platform, token: str, query: str) -> None:
    is_clear(platform.api(UNDEPLOY + query, "-X", "POST", token=token))


@pytest.mark.parametrize(
    "path",
    [
        GENERATE,
        DEPLOY,
        UNDEPLOY,
        "/api/deployer/apis",
        "/api",
        "/api/deployer/9.9.9/apis",
        "/api/%2e%2e/x",
        "/health",
    ],
)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"])
def test_wrong_methods_and_paths(platform: Platform, path: str, method: str) -> None:
    assert platform.api(path, "-X", method).status < 500


@pytest.mark.parametrize(
    "header",
    [
        "Authorization: Bearer",
        "Authorization: Bearer ",
        "Authorization: Basic eDp5",
        "Authorization: Bearer a b c",
        "Authorization: Bearer " + "." * 9000,
        "Authorization: \xff",
    ],
)
def test_bad_authorization_headers_are_401(platform: Platform, header: str) -> None:
    answer = platform.api("/api/deployer/apis", "-H", header)
    assert answer.status in (400, 401)
    assert answer.status == 400 or answer.headers["www-authenticate"].startswith(
        "Bearer"
    )


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_a_refusal_reaches_a_caller_that_is_still_sending(
    platform: Platform, files: dict[str, str], version: str
) -> None:
    for _ in range(5):
        answer = platform.api(
            DEPLOY,
            version,
            "--form",
            f"apkConfiguration=@{files['huge']}",
            "--form",
            f"definitionFile=@{files['huge']}",
        )
        assert answer.status == 401
        answer = platform.request(
            "idp.am.wso2.com",
            "/oauth2/token",
            version,
            "-H",
            "Expect:",
            "--data-binary",
            f"@{files['large']}",
        )
        assert answer.status == 413
        chunked = (
            "-H",
            "Transfer-Encoding: chunked",
            "-H",
            "Content-Type: application/x-www-form-urlencoded",
        )
        assert (
            platform.request(
                "idp.am.wso2.com",
                "/oauth2/token",
                version,
                *chunked,
                "--data-binary",
                f"@{files['large']}",
            ).status
            == 413
        )


def test_problem_json_when_asked_for(
    platform: Platform, token: str, files: dict[str, str]
) -> None:
    answer = platform.api(
        DEPLOY,
        "-H",
        "Accept: application/problem+json",
        "--form",
        f"apkConfiguration=@{files['number']}",
        "--form",
        f"definitionFile=@{files['definition']}",
        token=token,
    )
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == answer.status == 400
    assert answer.json()["errors"]


@pytest.mark.parametrize(
    "raw",
    [
        b"GARBAGE\r\n\r\n",
        (
            b"POST /oauth2/token HTTP/1.1\r\nHost: idp.am.wso2.com\r\nContent-Length: 5\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        ),
        (
            b"POST /oauth2/token HTTP/1.1\r\nHost: idp.am.wso2.com\r\nContent-Length: 5\r\n"
            b"Content-Length: 6\r\n\r\nabcde"
        ),
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET /oauth2/jwks HTTP/1.1\r\nHost: idp.am.wso2.com\r\n"
        + b"X-A: b\r\n" * 200
        + b"\r\n",
        b"GET /oauth2/" + b"x" * 70000 + b" HTTP/1.1\r\nHost: idp.am.wso2.com\r\n\r\n",
        b"\x16\x03\x01" + b"\0" * 50,
    ],
)
def test_broken_http_is_refused_at_the_edge(platform: Platform, raw: bytes) -> None:
    context = ssl.create_default_context(
        cafile=str(next((platform.data_dir / "tls").glob("ca.pem")))
    )
    with (
        socket.create_connection(("127.0.0.1", platform.port), timeout=5) as plain,
        context.wrap_socket(plain, server_hostname="idp.am.wso2.com") as edge,
    ):
        edge.sendall(raw)
        answer = edge.recv(4096)
    assert answer == b"" or answer.split()[1][:1] == b"4", answer
    assert platform.token()


def test_nothing_was_changed_and_nothing_leaked(platform: Platform, token: str) -> None:
    assert platform.api("/api/deployer/apis", token=token).json() == {"apis": []}
    logs = "".join(
        path.read_text("utf-8", "replace")
        for path in Path(platform.data_dir / "logs").glob("*.log")
    )
    assert token not in logs
    assert "4fbd62ec" not in logs
