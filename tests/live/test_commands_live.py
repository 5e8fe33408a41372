"""The commands that talk to a running platform."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from harness import DEFINITION, Platform, conf, free_port
from waiting import until


@pytest.fixture
def files(tmp_path: Path, echo: int) -> tuple[str, str]:
    (tmp_path / "api.apk-conf").write_text(conf(port=echo))
    (tmp_path / "definition.yaml").write_text(DEFINITION)
    return str(tmp_path / "api.apk-conf"), str(tmp_path / "definition.yaml")


def test_token(platform: Platform) -> None:
    assert platform.cli("token").stdout.strip().count(".") == 2
    assert (
        platform.cli("token", "--scope", "a", "--scope", "b c").stdout.count("\n") == 1
    )
    unknown = platform.cli("token", "--client", "nobody", check=False)
    assert (unknown.returncode, unknown.stdout) == (5, "")


def test_why_a_call_was_refused(platform: Platform, files: tuple[str, str]) -> None:
    api_id = yaml.safe_load(platform.cli("deploy", *files).stdout)["id"]
    sent = ("-H", f"Authorization: Bearer {platform.token('items:read')}")
    path = "/echo/1.0.0/items/1/parts/2?secret=hidden"
    answer = platform.request("default.gw.wso2.com", path, "-X", "DELETE", *sent)
    assert answer.status == 403
    number = answer.headers["x-request-id"]
    until(lambda: platform.cli("why", number, check=False).returncode == 0)
    said = platform.cli("why", number).stdout
    assert (
        "refused: HTTP 403, code 900910\nbecause scope items:admin is missing" in said
    )
    assert "API Echo 1.0.0, operation DELETE /items/{id}/parts/{part}" in said
    listed = platform.cli("logs", "--refused", "--api", "Echo").stdout
    assert f"{number}  900910  scope items:admin is missing\n" in listed
    assert "hidden" not in said + listed
    assert platform.cli("why", "00000000-0000", check=False).returncode == 5
    platform.cli("undeploy", api_id)


def test_call_finds_host_and_token(platform: Platform, files: tuple[str, str]) -> None:
    api_id = yaml.safe_load(platform.cli("deploy", *files).stdout)["id"]
    sent = json.loads(platform.cli("call", "/echo/1.0.0/items?a=b").stdout)
    assert (sent["method"], sent["path"].rpartition("/")[2]) == ("GET", "items?a=b")
    assert "authorization" not in sent["headers"]
    path = "/echo/1.0.0/items/1/parts/2"
    refused = platform.cli("call", "DELETE", path, check=False)
    assert refused.returncode == 4
    assert "add --scope items:admin" in refused.stderr
    assert json.loads(refused.stdout)["code"] == "900910"
    done = platform.cli(
        "call", "delete", path, "--scope", "items:admin", "-H", "X-Mine: 1", "-i"
    )
    assert json.loads(done.stdout)["headers"]["x-mine"] == "1"
    assert "content-type: application/json" in done.stderr
    assert (
        platform.cli("call", "/echo/1.0.0/items", "--no-token", check=False).returncode
        == 4
    )
    assert json.loads(
        platform.cli(
            "call", "/api/deployer/1.2.0/apis", "--scope", "apk:api_create"
        ).stdout
    )["apis"]
    assert platform.cli("call", "/nowhere", check=False).returncode == 5
    platform.cli("undeploy", api_id)


def test_deploy_list_undeploy(platform: Platform, files: tuple[str, str]) -> None:
    deployed = platform.cli("deploy", *files)
    assert "deployed Echo 1.0.0 in" in deployed.stderr
    api_id = yaml.safe_load(deployed.stdout)["id"]
    listed = json.loads(platform.cli("apis", "-o", "json").stdout)["apis"]
    assert [(api["id"], api["revision"]) for api in listed] == [(api_id, 1)]
    assert (
        platform.request(
            "default.gw.wso2.com",
            "/echo/1.0.0/items",
            "-H",
            f"Authorization: Bearer {platform.token()}",
        ).status
        == 200
    )
    assert "(created)" in deployed.stderr
    assert "(unchanged)" in platform.cli("deploy", *files).stderr
    assert (
        yaml.safe_load(platform.cli("apis", "-o", "yaml").stdout)["apis"][0]["revision"]
        == 2
    )
    moved = Path(files[0]).with_name("moved.apk-conf")
    moved.write_text(Path(files[0]).read_text().replace("/echo", "/moved"))
    replaced = platform.cli("deploy", str(moved), files[1]).stderr
    assert "(replaced)" in replaced
    assert (
        f"it no longer answers at https://default.gw.localhost:{platform.port}/echo/1.0.0\n"
        in replaced
    )
    assert platform.request("default.gw.wso2.com", "/echo/1.0.0/items").status == 404
    assert api_id in platform.cli("apis").stdout
    platform.cli("undeploy", api_id)
    assert platform.cli("apis").stdout == ""
    assert platform.cli("undeploy", api_id, check=False).returncode == 5


def test_deploy_a_definition_alone(
    platform: Platform, echo: int, files: tuple[str, str]
) -> None:
    deployed = platform.cli(
        "deploy",
        files[1],
        "--endpoint",
        f"http://127.0.0.1:{echo}/x",
        "--base-path",
        "/alone",
        "-o",
        "json",
    )
    answer = platform.request(
        "default.gw.wso2.com",
        "/alone/1.0.0/items",
        "-H",
        f"Authorization: Bearer {platform.token()}",
    )
    assert answer.json()["path"] == "/x/items"
    platform.cli("undeploy", json.loads(deployed.stdout)["id"])


def test_a_definition_alone_is_told_of_by_its_own_places(
    platform: Platform, files: tuple[str, str], tmp_path: Path
) -> None:
    definition = tmp_path / "own.yaml"
    text = (
        "openapi: 3.0.3\ninfo: {title: Own, version: '1'}\npaths:\n  /a:\n    get: {}\n"
        "    trace: {}\n  /b:\n    get: {}\n"
    )
    definition.write_text(text)
    refused = platform.cli("deploy", str(definition), check=False)
    assert refused.returncode == 3
    assert refused.stderr.count("error: ") == 1
    assert "hint: Give --endpoint URL" in refused.stderr
    taken = platform.cli("deploy", *files)
    clash = platform.cli(
        "deploy",
        str(definition),
        "--endpoint",
        "http://b.example",
        "--base-path",
        "/a b",
        check=False,
    )
    assert (
        "error: --base-path: basePath has a character that is not possible in a path"
        in clash.stderr
    )
    assert "own.yaml:6:5: TRACE /a is left out" in clash.stderr
    assert "     6 |     trace: {}\n       |     ^\n" in clash.stderr
    definition.write_text(
        text.replace(
            "info: {title: Own, version: '1'}",
            "info: {title: Own, version: 1.0.0}\nx-wso2-basePath: /echo",
        )
    )
    clash = platform.cli(
        "deploy", str(definition), "--endpoint", "http://b.example", check=False
    )
    assert "own.yaml:3:1: base path /echo/1.0.0 is taken" in clash.stderr
    assert "     3 | x-wso2-basePath: /echo\n" in clash.stderr
    platform.cli("undeploy", yaml.safe_load(taken.stdout)["id"])


def test_all_warnings_about_a_definition_alone_are_shown(
    platform: Platform, tmp_path: Path
) -> None:
    definition = tmp_path / "own.yaml"
    paths = "".join(f"  /{'a' * 80}{n}: {{trace: {{}}}}\n" for n in range(60))
    text = "openapi: 3.0.3\ninfo: {title: Own, version: '1'}\npaths:\n  /a: {get: {}}\n"
    options = ("--endpoint", "http://b.example", "--base-path", "/own")
    for more in (paths[: paths.index("\n") + 1], paths):
        definition.write_text(text + more)
        done = platform.cli("deploy", str(definition), *options)
        assert done.stderr.count("own.yaml:5:") == 1
        assert done.stderr.count("is left out") == more.count("trace")
    platform.cli("undeploy", yaml.safe_load(done.stdout)["id"])


def test_mistakes_and_conflicts_are_explained(
    platform: Platform, files: tuple[str, str]
) -> None:
    platform.cli("deploy", *files)
    other = Path(files[0]).with_name("other.apk-conf")
    other.write_text(
        Path(files[0]).read_text().replace('name: "Echo"', 'name: "Other"')
    )
    conflict = platform.cli("deploy", str(other), files[1], check=False)
    assert conflict.returncode == 3
    assert "/echo/1.0.0" in conflict.stderr
    other.write_text("name: [")
    assert platform.cli("deploy", str(other), files[1], check=False).returncode == 3


def test_commands_find_the_platform_of_their_data_directory_whatever_its_port(
    platform: Platform,
) -> None:
    elsewhere = {"KAPI_GATEWAY__PORT": str(free_port())}
    assert platform.cli("token", environment=elsewhere).stdout.count(".") == 2
    assert json.loads(
        platform.cli("status", "-o", "json", environment=elsewhere).stdout
    )["address"].endswith(f":{platform.port}")
    found = platform.cli("doctor", "-o", "json", environment=elsewhere, check=False)
    checks = {item["check"]: item for item in json.loads(found.stdout)["checks"]}
    assert checks["platform answers"]["result"] == "ok"
    assert f":{platform.port} " in checks["port"]["detail"]


def test_status_doctor_and_ca(platform: Platform) -> None:
    status = json.loads(platform.cli("status", "-o", "json").stdout)
    assert status["ready"] is True
    assert {row["process"] for row in status["processes"]} == {
        "supervisor",
        "control",
        "identity-0",
        "envoy",
    }
    names = ["store", "keys", "gateway", "configuration", "disk", "provider"]
    assert [item["name"] for item in status["checks"] if item["ok"]] == names
    doctor = platform.cli("doctor", "-o", "json", check=False)
    checks = json.loads(doctor.stdout)["checks"]
    failed = {item["check"] for item in checks if item["result"] == "fail"}
    # Other modules call backends of this platform whose certificates are refused.
    assert failed <= {"https backends"}
    assert (doctor.returncode == 0) == (not failed)
    assert (
        Path(platform.cli("ca").stdout.strip())
        .read_text()
        .startswith("-----BEGIN CERTIFICATE-----")
    )


def test_an_api_that_is_not_deployed_is_warned_of(
    platform: Platform, files: tuple[str, str]
) -> None:
    platform.cli("deploy", *files)
    platform.cli("app", "create", "shop")
    assert (
        "did you mean Echo?"
        in platform.cli("subscription", "add", "shop", "Ecko").stderr
    )
    assert (
        "did you mean Echo?" in platform.cli("api-key", "create", "Ecko:1.0.0").stderr
    )
    token = platform.token("apk:api_create")
    body = json.dumps({"application": "shop", "api": {"name": "Eco", "version": "2"}})
    answer = platform.api("/api/subscriptions", "-d", body, token=token)
    assert answer.json()["warnings"] == [
        "no API named 'Eco' is deployed; did you mean Echo?"
    ]
    for known in (
        ("subscription", "add", "shop", "Echo"),
        ("api-key", "create", "Echo"),
        ("api-key", "create", "*"),
    ):
        assert "warning" not in platform.cli(*known).stderr
