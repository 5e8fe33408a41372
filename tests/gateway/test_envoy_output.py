"""What Envoy says reaches its log without credentials, and tells what it was doing when it died."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kapi.gateway.envoy.process.output import Output, cleaned

DUMP = """\
[2026-01-01 10:00:00.000][17][error][misc] [source/common/watchdog/abort_action.cc:36] Watchdog AbortAction terminating thread with tid 18.
[2026-01-01 10:00:00.001][18][critical][backtrace] [./source/server/backtrace.h:173] Caught Aborted, suspect faulting address 0x444f
ActiveStream 0x714dbfb03100, stream_id_: 9409248586073503694&filter_manager_:
  filter_manager_callbacks_.requestHeaders():
    ':authority', 'default.gw.wso2.com:9095'
    ':path', '/shop/1.0.0/items?access_token=one-secret'
    ':method', 'GET'
    'authorization', 'Bearer two-secret'
    'cookie', 'session=three-secret'
    'apikey', 'four-secret'
    'x-request-id', '9a87fff5-b23a-4afd-9501-af02ebcca46a'
    StreamInfoImpl 0x714dbfb03320, protocol_: 1, getRouteName(): default|Shop|1.0.0|GET /items    upstream_info_:     null
Http1::ConnectionImpl 0x714dbfb02a10, header_parsing_state_: Done, current_header_field_: apikey, current_header_value_: five-secret
, request_url_: /shop/1.0.0/items?token=six-secret, response_encoder_.local_end_stream_: 0
current_dispatching_buffer_ front_slice length: 9 contents: "GET /shop HTTP/1.1\\r\\nX-Key: seven-secret\\r\\n\\r\\n"
"""  # noqa: E501 - lines as Envoy writes them


def said(text: str, path: Path) -> Output:
    output = Output(path)
    with os.fdopen(output.begin(), "wb") as pipe:
        pipe.write(text.encode())
    return output


def test_a_dump_of_a_dying_envoy_holds_no_credentials(tmp_path: Path) -> None:
    output = said(DUMP, tmp_path / "envoy.log")
    death = str(output.death())
    log = (tmp_path / "envoy.log").read_text()
    assert "secret" not in log + death
    assert log.count("\n") == DUMP.count("\n")
    assert "':path', '/shop/1.0.0/items'" in log
    assert "'authorization', '[removed]'" in log
    assert (tmp_path / "envoy.log").stat().st_mode & 0o777 == 0o600
    assert death == (
        "had a thread that did not come back while it served "
        "default|Shop|1.0.0|GET /items for a call of default.gw.wso2.com:9095/shop/1.0.0/items"
    )


def test_a_control_process_that_is_away_is_told_of_every_ten_seconds(
    tmp_path: Path,
) -> None:
    line = "[warning] Delta gRPC config stream to kapi_xds closed since {}s ago: 14, refused\n"
    seconds = [0, 0, 1, 9, 10, 10, 19, 20, 105, 109, 110, 0, 0]
    other = "[info] lds: add listener\n"
    said(
        other + other + "".join(map(line.format, seconds)), tmp_path / "envoy.log"
    ).death()
    kept = "".join(map(line.format, [0, 10, 20, 105, 110, 0]))
    assert (tmp_path / "envoy.log").read_text() == other + other + kept


@pytest.mark.parametrize(
    "line",
    [
        "[debug][http] key is eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2VjcmV0",
        "[info] Authorization: Bearer secret-1",
        "[info] authorization: bEaReR secret-1",
        "[trace][http] completed header: key=X-Key value=secret",
        "[trace][http2] Http2Visitor::OnHeaderForStream(1, [apikey], [secret])",
        '[warning] Responding with 401 Unauthorized. Cause: State param: {"csrf_token":"secret"}',
        "[debug] GET https://host/path?code=secret",
        "[warning] kapi_0011_secret was refused",
        "[debug] request headers complete (end_stream=true): ':path', '/a?b=secret'",
    ],
)
def test_a_line_holds_no_credentials(line: str) -> None:
    assert "secret" not in cleaned(line)
    assert "c2VjcmV0" not in cleaned(line)


@pytest.mark.parametrize(
    "line",
    [
        (
            "[error][lua] [source/extensions/filters/common/lua/lua.cc:34] script log: script-0: "
            "it "
            "ran for too long"
        ),
        (
            "[warning][config] stream to kapi_xds closed: 14, upstream connect error or "
            "disconnect/reset before headers"
        ),
        "    ':authority', 'api.am.wso2.com'",
    ],
)
def test_other_lines_stay_as_they_are(line: str) -> None:
    assert cleaned(line) == line


def test_a_line_without_an_end_takes_no_memory(tmp_path: Path) -> None:
    output = said("Bearer secret" * 100_000 + "\nnext\n", tmp_path / "envoy.log")
    output.death()
    log = (tmp_path / "envoy.log").read_text()
    assert "secret" not in log
    assert log.endswith("next\n")


def test_each_process_has_its_own_last_words(tmp_path: Path) -> None:
    output = said(DUMP, tmp_path / "envoy.log")
    assert output.death().route
    with os.fdopen(output.begin(), "wb") as pipe:
        pipe.write(b"[info] bye\n")
    assert str(output.death()) == "ended unexpectedly"
    assert (tmp_path / "envoy.log").read_text().endswith("[info] bye\n")
