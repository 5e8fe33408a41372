"""gRPC clients of other languages through the gateway: grpcurl (Go) and @grpc/grpc-js (Node)."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from grpc_backend import PROTO, SERVICE, Backend, student
from harness import Platform, free_port

HERE = Path(__file__).parent
GRPCURL = HERE / "go" / "grpcurl"
HOST = "default.gw.wso2.com"
pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def proto(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("proto") / "student.proto"
    path.write_text(PROTO)
    return path


@pytest.fixture(scope="module")
def platform(
    tmp_path_factory: pytest.TempPathFactory, proto: Path
) -> Iterator[Platform]:
    """With the service deployed as `kapi generate` says."""
    running = Platform(free_port(), tmp_path_factory.mktemp("kapi") / "data")
    running.environment = {"KAPI_GATEWAY__VERSION_ROUTING": "true"}
    running.start()
    backend = Backend((SERVICE,))
    endpoint = f"http://127.0.0.1:{backend.port}"
    made = running.cli("generate", str(proto), "--type", "GRPC", "--endpoint", endpoint)
    conf = proto.with_suffix(".apk-conf")
    conf.write_text(made.stdout)
    running.cli("deploy", str(conf), str(proto))
    yield running
    running.stop()
    backend.stop()


def test_grpc_js(platform: Platform, proto: Path) -> None:
    settings = {
        "proto": str(proto),
        "service": SERVICE,
        "host": HOST,
        "port": platform.port,
        "ca": str(platform.data_dir / "tls/ca.pem"),
        "token": platform.token(),
    }
    command = ["node", "grpc-js.mjs", json.dumps(settings)]
    done = subprocess.run(
        command, cwd=HERE / "peers", capture_output=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    told = json.loads(done.stdout)
    missing = told.pop("missing")
    assert missing["code"] == 16
    assert missing["details"].startswith("900902: ")
    assert told == {
        "unary": "Ada",
        "down": ["Ada 0", "Ada 1", "Ada 2"],
        "up": "Ada, Bob",
        "both": ["hello Ada", "hello Bob"],
    }


def grpcurl(
    platform: Platform,
    proto: Path,
    method: str,
    body: str,
    token: str = "",
    service: str = SERVICE,
) -> str:
    known = ["-H", f"authorization: Bearer {token}"] if token else []
    own = ["-cacert", str(platform.data_dir / "tls/ca.pem"), "-authority", HOST]
    files = ["-import-path", str(proto.parent), "-proto", proto.name]
    command = [
        str(GRPCURL),
        *own,
        *files,
        *known,
        "-d",
        body,
        f"127.0.0.1:{platform.port}",
    ]
    done = subprocess.run(
        [*command, f"{service}/{method}"], capture_output=True, timeout=120, check=False
    )
    return (done.stdout + done.stderr).decode()


def test_grpcurl(platform: Platform, proto: Path) -> None:
    token, one = platform.token(), '{"name": "Ada"}'
    assert json.loads(grpcurl(platform, proto, "GetStudent", one, token)) == {
        "name": "Ada"
    }
    assert grpcurl(platform, proto, "GetStudentStream", one, token).count('"name"') == 3
    up = grpcurl(platform, proto, "SendStudentStream", one + one, token)
    assert json.loads(up) == {"name": "Ada, Ada"}
    both = grpcurl(platform, proto, "SendAndGetStudentStream", one + one, token)
    assert both.count("hello Ada") == 2
    refused = grpcurl(platform, proto, "GetStudent", one)
    assert "Code: Unauthenticated" in refused
    assert "900902: Missing Credentials" in refused


SHOP = """syntax = "proto3";
package shop.v1;
message Student { string name = 1; }
service Students { rpc GetStudent (Student) returns (Student); }
"""


def test_grpcurl_reaches_the_newest_version(platform: Platform, tmp_path: Path) -> None:
    """Its proto has the package of the first number; those of the versions have both."""
    proto = tmp_path / "shop.proto"
    proto.write_text(SHOP)
    for version in ("v1.9", "v1.10"):
        package = f"shop{version.replace('.', '_')}"
        backend = Backend(
            (f"{package}.Students",), more={"GetStudent": student(package)}
        )
        conf = {
            "name": "shop",
            "basePath": "/shop",
            "version": version,
            "type": "GRPC",
            "grpc": {"package": package},
            "endpointConfigurations": {
                "production": {"endpoint": f"http://127.0.0.1:{backend.port}"}
            },
            "operations": [{"target": "Students", "verb": "GetStudent"}],
        }
        assert platform.deploy(json.dumps(conf), SHOP).status == 200
        token, one = platform.token(), '{"name": "Ada"}'
        answer = grpcurl(platform, proto, "GetStudent", one, token, "shop.v1.Students")
        backend.stop()
        assert json.loads(answer) == {"name": package}
