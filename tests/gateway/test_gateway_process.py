"""The Envoy process and its certificate."""

from __future__ import annotations

import contextlib
import datetime as dt
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from cryptography import x509
from live_gateway import api, backend, gateway, operation

from kapi.apis.ir import Endpoint
from kapi.errors import EnvoyNotFound, GatewayRejected, GatewayUnavailable
from kapi.gateway.calls.call_log import CallLog, Wanted
from kapi.gateway.envoy.process import process
from kapi.gateway.envoy.process.check import EnvoyCheck
from kapi.gateway.envoy.process.tls import ensure_certificate
from kapi.gateway.envoy.resources.context import render_context
from kapi.gateway.envoy.resources.render import render_scope
from kapi.settings import GatewaySettings, Settings
from waiting import LIMIT, until


def test_a_named_binary_must_exist(tmp_path: Path) -> None:
    with pytest.raises(EnvoyNotFound) as caught:
        process.find_envoy(str(tmp_path / "nothing"))
    assert "--envoy" in caught.value.hint
    assert process.find_envoy("").is_file()


def test_the_supervisors_part_is_light() -> None:
    code = (
        "import sys, kapi.gateway.envoy.process.process; print([m for m in ('grpc', "
        "'google.protobuf', 'cryptography') if m in sys.modules])"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.strip()
        == "[]"
    )


def test_nobody_there_is_not_ready(tmp_path: Path) -> None:
    assert not process.ready(tmp_path / "no.sock")
    process.drain(tmp_path / "no.sock", 0.1)


def test_draining_takes_no_new_connections_and_lets_go_when_idle() -> None:
    with backend() as port, gateway() as live:
        live.put(
            api(
                "/a",
                [
                    operation(
                        "GET", "/x", Endpoint("http", "127.0.0.1", port), secured=False
                    )
                ],
            )
        )
        assert live.call("/a/1.0.0/x").status == 200
        draining = threading.Thread(
            target=process.drain, args=(live.admin, 100 * LIMIT), daemon=True
        )
        draining.start()
        until(lambda: not draining.is_alive())
        assert not process.ready(live.admin)


def test_a_second_envoy_on_the_port_does_not_share_it() -> None:
    with gateway() as live, gateway(start=False) as other:
        import dataclasses

        other.settings = dataclasses.replace(
            other.settings,
            gateway=dataclasses.replace(
                other.settings.gateway, port=live.settings.gateway.port
            ),
        )
        other.context = render_context(other.settings)
        other.publisher.set_initial(other.base())
        other.publisher.start()
        other.start_envoy()
        until(lambda: "in use" in other.publisher.status().last_error)


def test_the_access_log_holds_no_query() -> None:
    with backend() as port, gateway(access_log=True) as live:
        live.put(
            api(
                "/a",
                [
                    operation(
                        "GET", "/x", Endpoint("http", "127.0.0.1", port), secured=False
                    )
                ],
            )
        )
        live.call("/a/1.0.0/x?secret=1")
        log = Path(live.context.access_log)
        until(log.read_text)
        assert '"url":"default.gw.wso2.com/a/1.0.0/x"' in log.read_text()
        assert "secret" not in log.read_text()


def test_the_access_log_says_why_a_call_did_not_pass() -> None:
    with backend() as port, gateway(access_log=True) as live:
        end = Endpoint("http", "127.0.0.1", port)
        live.put(
            api(
                "/a",
                [
                    operation("GET", "/one", end, scopes=("items:write",)),
                    operation("GET", "/open", end, secured=False),
                    operation(
                        "GET", "/dead", Endpoint("http", "127.0.0.1", 1), secured=False
                    ),
                ],
            )
        )
        token = live.minter.token(scope="items:read", client_id="shop", sub='a"b')
        sent = {"authorization": f"Bearer {token}"}
        ids = {
            name: live.call(f"/a/1.0.0{path}", headers=headers).headers["x-request-id"]
            for name, path, headers in (
                ("scope", "/one", sent),
                ("missing", "/one", {}),
                ("passed", "/open", {}),
                ("dead", "/dead", {}),
                ("nothing", "/nothing", {}),
            )
        }
        log = CallLog(Path(live.context.access_log))
        wanted = Wanted("default", with_system=True)
        until(lambda: log.of(ids["nothing"], wanted))
        calls = {name: log.of(number, wanted) or {} for name, number in ids.items()}
        assert {
            name: (call["decision"], call.get("code")) for name, call in calls.items()
        } == {
            "scope": ("refused", "900910"),
            "missing": ("refused", "900902"),
            "passed": ("allowed", None),
            "dead": ("failed", "102503"),
            "nothing": ("refused", "404"),
        }
        assert calls["scope"]["reason"] == "scope items:write is missing"
        assert (calls["scope"]["consumer"], calls["scope"]["subject"]) == (
            "shop",
            'a"b',
        )
        assert (calls["passed"]["api"], calls["passed"]["operation"]) == (
            "a",
            "GET /open",
        )
        assert [call["request_id"] for call in log.newest(Wanted("default"), 1)[0]] == [
            ids["dead"]
        ]
        assert token not in Path(live.context.access_log).read_text()


def test_a_long_call_is_one_line_of_the_access_log() -> None:
    with backend() as port, gateway(access_log=True) as live:
        end = Endpoint("http", "127.0.0.1", port)
        live.put(api("/a", [operation("POST", "/x", end, secured=False)]))
        host = f"default.gw.wso2.com:{live.settings.gateway.port}"
        with contextlib.closing(live.connect("default.gw.wso2.com")) as connection:
            connection.putrequest("POST", "/a/1.0.0/x", skip_host=True)
            connection.putheader("Host", host)
            connection.putheader("Content-Length", "1")
            connection.endheaders()
            time.sleep(2.5)
            connection.send(b"x")
            assert connection.getresponse().status == 200
        log = Path(live.context.access_log)
        until(lambda: '"status":200' in log.read_text())
        assert log.read_text().count('"url":"default.gw.wso2.com/a/1.0.0/x"') == 1


def test_the_check_names_the_reason(tmp_path: Path) -> None:
    check = EnvoyCheck(process.find_envoy(""))
    context = render_context(Settings(tmp_path))
    scope = render_scope(
        "a",
        [
            api(
                "/a",
                [
                    operation(
                        "GET",
                        "/{x}/*",
                        Endpoint("https", "h.example", 443),
                        scopes=("s",),
                    )
                ],
            )
        ],
        context,
    )
    assert scope is not None
    check([], [scope])
    scope["route_configuration"]["virtual_hosts"][0]["routes"][0]["match"][
        "safe_regex"
    ]["regex"] = "a("
    with pytest.raises(GatewayRejected) as caught:
        check([], [scope])
    assert caught.value.detail == "missing ): a("


def test_a_check_that_does_not_end_is_ended(tmp_path: Path) -> None:
    """By its processor time, so that a busy machine refuses no deployment."""
    endless = tmp_path / "envoy"
    endless.write_text("#!/bin/sh\nwhile :; do :; done\n")
    endless.chmod(0o700)
    with pytest.raises(GatewayUnavailable, match="within 1 s"):
        EnvoyCheck(endless, processor_seconds=1, timeout=LIMIT)([], [])
    endless.write_text("#!/bin/sh\nexec sleep 60\n")
    with pytest.raises(GatewayUnavailable, match="within 0 s"):
        EnvoyCheck(endless, timeout=0.1)([], [])


NOW = 1_800_000_000.0


def leaf(text: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(text.encode())


def test_the_certificate_is_made_once(tmp_path: Path) -> None:
    found: list[str] = []
    threads = [
        threading.Thread(
            target=lambda: found.append(
                ensure_certificate(Settings(tmp_path), lambda: NOW).chain
            )
        )
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    assert len(set(found)) == 1
    assert {
        stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "tls").iterdir()
    } == {0o600}
    assert stat.S_IMODE((tmp_path / "tls").stat().st_mode) == 0o700


def test_it_names_all_hosts_and_lasts_less_than_398_days(tmp_path: Path) -> None:
    made = leaf(ensure_certificate(Settings(tmp_path), lambda: NOW).chain)
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert set(names.get_values_for_type(x509.DNSName)) == {
        "idp.am.wso2.com", "api.am.wso2.com", "*.gw.wso2.com", "*.sandbox.gw.wso2.com", "localhost",
        "idp.localhost", "api.localhost", "*.gw.localhost", "*.sandbox.gw.localhost",
        "console.am.wso2.com", "console.localhost",
    }  # fmt: skip
    assert made.not_valid_after_utc - made.not_valid_before_utc <= dt.timedelta(
        days=398
    )


def test_it_is_renewed_in_time_by_the_same_authority(tmp_path: Path) -> None:
    first = ensure_certificate(Settings(tmp_path), lambda: NOW)
    authority = first.ca_file.read_text()
    day = 86400.0
    assert (
        ensure_certificate(Settings(tmp_path), lambda: NOW + 360 * day).chain
        == first.chain
    )
    assert (
        ensure_certificate(Settings(tmp_path), lambda: NOW + 380 * day).chain
        != first.chain
    )
    assert first.ca_file.read_text() == authority


def test_it_is_made_again_when_the_hosts_change(tmp_path: Path) -> None:
    first = ensure_certificate(Settings(tmp_path), lambda: NOW)
    other = ensure_certificate(
        Settings(tmp_path, gateway=GatewaySettings(domain="gw.example")), lambda: NOW
    )
    assert first.chain != other.chain
    assert "*.gw.example" in str(
        leaf(other.chain)
        .extensions.get_extension_for_class(x509.SubjectAlternativeName)
        .value
    )


def test_one_without_the_localhost_names_is_made_again_by_the_same_authority(
    tmp_path: Path,
) -> None:
    without = GatewaySettings(localhost_names=False)
    first = ensure_certificate(Settings(tmp_path, gateway=without), lambda: NOW)
    assert "gw.localhost" not in str(
        leaf(first.chain)
        .extensions.get_extension_for_class(x509.SubjectAlternativeName)
        .value
    )
    authority = first.ca_file.read_text()
    assert ensure_certificate(Settings(tmp_path), lambda: NOW).chain != first.chain
    assert first.ca_file.read_text() == authority


def test_the_key_is_not_shown(tmp_path: Path) -> None:
    assert "PRIVATE" not in repr(ensure_certificate(Settings(tmp_path), lambda: NOW))
