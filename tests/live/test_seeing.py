"""What those who run the platform look at: health, metrics, the audit log."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from harness import DEFINITION, Platform, conf, curl, free_port
from waiting import until

MONITORING = Path(__file__).parents[2] / "examples/monitoring"

GW, IDP = "default.gw.wso2.com", "idp.am.wso2.com"
CHECKS = ("store", "keys", "gateway", "configuration", "disk", "provider")
WELL = "".join(f"[+]{name} ok\n" for name in CHECKS) + "readyz check passed\n"


@pytest.mark.parametrize("host", ["api.am.wso2.com", "idp.am.wso2.com", "localhost"])
def test_health_on_each_host_of_the_platform(platform: Platform, host: str) -> None:
    def text(path: str) -> str:
        answer = curl(
            f"https://{host}:{platform.port}{path}", resolve=(host, platform.port)
        )
        return f"{answer.status} {answer.body.decode()}"

    assert text("/livez") == "200 ok"
    assert text("/readyz") == "200 ok"
    assert text("/readyz?verbose") == f"200 {WELL}"


def test_health_on_the_socket(platform: Platform) -> None:
    socket = str(platform.data_dir / "run/control.sock")
    command = (
        "curl",
        "-sS",
        "--unix-socket",
        socket,
        "http://localhost/readyz?verbose",
    )
    assert (
        subprocess.run(
            command, capture_output=True, check=True, timeout=30
        ).stdout.decode()
        == WELL
    )


def metrics(platform: Platform) -> dict[str, list[tuple[dict[str, str], float]]]:
    """Samples by name, as Prometheus' own client reads them."""
    socket = str(platform.data_dir / "run/control.sock")
    command = ("curl", "-sS", "--unix-socket", socket, "http://localhost/metrics")
    text = subprocess.run(
        command, capture_output=True, check=True, timeout=30
    ).stdout.decode()
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation, family.name
        assert family.type in {"counter", "gauge", "histogram"}, family.name
        found.setdefault(
            family.name + ("_total" if family.type == "counter" else ""), []
        )
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def test_a_call_and_a_token_are_counted(platform: Platform) -> None:
    def value(name: str, **labels: str) -> float:
        rows = metrics(platform)[name]
        return sum(number for found, number in rows if labels.items() <= found.items())

    before = {
        "deployed": value("kapi_deployments_total", outcome="created"),
        "tokens": value("kapi_tokens_issued_total", grant="client_credentials"),
        "refused": value("kapi_token_refusals_total", error="invalid_client"),
    }
    made = conf(
        "Seen", "/seen", port=free_port(), operations='- {target: "/x", verb: GET}\n'
    )
    assert platform.deploy(made, DEFINITION).status == 200
    bearer = ("-H", f"Authorization: Bearer {platform.token()}")
    assert platform.request(GW, "/seen/1.0.0/x").status == 401
    assert platform.request(GW, "/seen/1.0.0/x", *bearer).status == 503
    wrong = ("-u", "nobody:wrong", "-d", "grant_type=client_credentials")
    assert platform.request(IDP, "/oauth2/token", *wrong).status == 401
    here = {"api": "Seen", "version": "1.0.0", "organization": "default"}
    until(lambda: value("kapi_requests_total", **here, operation="GET /x") == 2)
    assert (
        value(
            "kapi_requests_total",
            **here,
            host="production",
            status="401",
            code="900902",
        )
        == 1
    )
    assert (
        value(
            "kapi_refusals_total", **here, code="900902", reason="Missing Credentials"
        )
        == 1
    )
    assert (
        value("kapi_upstream_failures_total", **here, reason="connection failed") == 1
    )
    assert value("kapi_request_duration_seconds_count", **here) == 2
    assert value("kapi_deployments_total", outcome="created") == before["deployed"] + 1
    assert (
        value("kapi_tokens_issued_total", grant="client_credentials") > before["tokens"]
    )
    assert (
        value("kapi_token_refusals_total", error="invalid_client")
        == before["refused"] + 1
    )
    assert value("kapi_gateway_up") == value("kapi_health_check", check="store") == 1
    assert value("kapi_gateway_connections_total") > 0


def test_top_shows_processes_and_calls(platform: Platform) -> None:
    assert platform.request(GW, "/nothing").status == 404
    until(lambda: "kapi_requests_total" in metrics(platform))
    shown = platform.cli("top", "--once", "-o", "json", "--interval", "0.5")
    value = json.loads(shown.stdout)
    processes = {item["process"]: item["memoryBytes"] for item in value["processes"]}
    assert set(processes) >= {"supervisor", "control", "identity-0", "envoy"}
    assert min(processes.values()) > 1_000_000
    assert value["counted"]
    assert value["connections"] >= 0


def expressions(value: object) -> list[str]:
    """All `expr` and `definition` below a JSON value."""
    if isinstance(value, list):
        return [found for item in value for found in expressions(item)]
    if not isinstance(value, dict):
        return []
    own = [
        value[key] for key in ("expr", "definition") if isinstance(value.get(key), str)
    ]
    return own + [found for item in value.values() for found in expressions(item)]


def test_the_dashboard_and_the_alerts_name_metrics_that_exist(
    platform: Platform,
) -> None:
    board = json.loads((MONITORING / "grafana-dashboard.json").read_text("utf-8"))
    alerts = yaml.safe_load((MONITORING / "alerts.yaml").read_text("utf-8"))
    used = expressions(board) + expressions(alerts)
    assert len(used) > 30
    assert platform.request(GW, "/nothing").status == 404
    until(lambda: "kapi_request_duration_seconds_bucket" in metrics(platform))
    known = set(metrics(platform))
    known |= {f"{name}_bucket" for name in known}
    named = {name for text in used for name in re.findall(r"\bkapi_\w+", text)}
    assert named - known == set()
    page = (MONITORING.parents[1] / "docs/operate/metrics.md").read_text("utf-8")
    families = {name.removesuffix("_bucket") for name in named}
    families |= {re.sub("_(bucket|count|sum)$", "", name) for name in metrics(platform)}
    assert {name for name in families if f"`{name}`" not in page} == set()


def test_who_did_what_is_in_the_audit_log(platform: Platform) -> None:
    def events(*options: str) -> list[dict[str, str]]:
        return json.loads(platform.cli("audit", "-o", "json", *options).stdout)

    made = conf(
        "Audited", "/audited", port=9, operations='- {target: "/x", verb: GET}\n'
    )
    assert platform.deploy(made, DEFINITION).status == 200
    newest = events("--event", "api", "--limit", "1")[0]
    assert newest["event"] == "api.deploy"
    assert newest["target"].startswith("Audited 1.0.0 (")
    assert (newest["outcome"], newest["detail"]) == ("success", "created")
    address = newest["address"]
    assert address == "127.0.0.1"
    assert newest["token"]
    assert newest["issuer"] == "inbuilt"
    assert newest["client"]
    platform.cli("secret", "set", "vault", "key", stdin="never-to-be-seen")
    assert events("--event", "secret")[-1]["target"] == "vault/key"
    platform.cli("secret", "remove", "vault", "key")
    assert platform.api("/api/users", token=platform.token()).status == 403
    assert events("--failed", "--event", "access")[-1]["event"] == "access.refused"
    wrong = ("-u", f"{newest['client']}:wrong", "-d", "grant_type=client_credentials")
    assert platform.request(IDP, "/oauth2/token", *wrong).status == 401
    by_client = ("--failed", "--event", "client.authenticate", "--by", newest["client"])
    until(
        lambda: bool(events(*by_client))
    )  # The provider writes its events a moment later.
    failed = events(*by_client)[-1]
    assert (failed["client"], failed["address"]) == (newest["client"], address)
    shown = platform.cli("audit", "--event", "api.deploy").stdout
    assert f"from {address}  token {newest['token']}  created" in shown
    log = platform.data_dir / "logs/audit.log"
    assert log.stat().st_mode & 0o777 == 0o600
    text = log.read_text()
    assert newest["token"] in text
    assert "never-to-be-seen" not in text
