"""Encoded resources that a start finds in the file of the start before."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from kapi.gateway.envoy.resources.names import CLUSTER, SECRET
from kapi.gateway.envoy.stream.kept import KeptEncodings, encoded

VALUE: dict[str, Any] = {"name": "backend", "connect_timeout": "1s"}
KEY: dict[str, Any] = {
    "name": "edge",
    "tls_certificate": {"private_key": {"inline_string": "PRIVATE"}},
}


def _kept(path: Path, code: str = "code") -> bytes:
    """The body of the value as a start encodes it, which keeps it."""
    start = KeptEncodings(path, code)
    found = start.encode(CLUSTER, VALUE)
    start.keep()
    assert found.name == "backend"
    return found.body


def test_the_next_start_finds_what_one_encoded(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    assert _kept(path) == encoded(CLUSTER, VALUE).body
    assert path.stat().st_mode & 0o777 == 0o600
    (key,) = json.loads(path.read_text())
    path.write_text(json.dumps({key: base64.b64encode(b"found").decode()}))

    assert _kept(path) == b"found"


def test_what_other_code_encoded_does_not_count(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    _kept(path)
    (key,) = json.loads(path.read_text())
    path.write_text(json.dumps({key: base64.b64encode(b"found").decode()}))

    assert _kept(path, "other code") == encoded(CLUSTER, VALUE).body
    assert key not in json.loads(path.read_text())


def test_a_file_that_cannot_be_read_is_written_again(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    for content in (b"", b"{", b"\xff", b"[1]", b'{"a": 1}'):
        path.write_bytes(content)
        assert _kept(path) == encoded(CLUSTER, VALUE).body
        assert len(json.loads(path.read_text())) == 1


def test_a_body_that_is_no_base64_is_encoded_again(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    _kept(path)
    (key,) = json.loads(path.read_text())
    for body in ("é", "=", 7, None):
        path.write_text(json.dumps({key: body}))
        assert _kept(path) == encoded(CLUSTER, VALUE).body


def test_a_private_key_is_not_kept(tmp_path: Path) -> None:
    start = KeptEncodings(tmp_path / "kept", "code")
    assert b"PRIVATE" in start.encode(SECRET, KEY).body
    start.encode(CLUSTER, VALUE)
    start.keep()

    assert len(json.loads((tmp_path / "kept").read_text())) == 1


def test_what_is_encoded_after_the_start_is_not_kept(tmp_path: Path) -> None:
    start = KeptEncodings(tmp_path / "kept", "code")
    start.keep()
    start.encode(CLUSTER, VALUE)
    start.keep()

    assert not (tmp_path / "kept").exists()


def test_the_messages_of_envoy_are_not_imported_for_what_is_found(
    tmp_path: Path,
) -> None:
    _kept(tmp_path / "kept")
    code = f"""
import sys
from pathlib import Path
from kapi.gateway.envoy.stream.kept import KeptEncodings
start = KeptEncodings(Path({str(tmp_path / "kept")!r}), "code")
start.encode({CLUSTER!r}, {VALUE!r})
print([name for name in sys.modules if name.startswith(("envoy.", "google."))])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"
