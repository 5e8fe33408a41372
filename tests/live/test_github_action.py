"""The GitHub Action: its script, and its file by the rules of composite actions."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlsplit

import pytest
import yaml

from commands import KAPI
from harness import DEFINITION, Platform, conf

ROOT = Path(__file__).parents[2]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
NAMED = re.compile(r"\$\{\{\s*inputs\.([a-z-]+)")


def run(folder: Path, mode: str, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "RUNNER_TEMP": str(folder / "temp"),
        "GITHUB_OUTPUT": str(folder / "output"),
        "COMMENT": str(folder / "comment.md"),
        "KAPI": str(KAPI),
        "INPUT_MODE": mode,
        **more,
    }
    script = ["bash", str(ROOT / "deploy" / "github" / "run.sh")]
    return subprocess.run(
        script,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def folder(tmp_path: Path, echo: int) -> Path:
    (tmp_path / "apis").mkdir()
    (tmp_path / "apis" / "echo.apk-conf").write_text(
        conf(name="Acted", base="/acted", port=echo)
    )
    (tmp_path / "apis" / "echo.yaml").write_text(DEFINITION)
    return tmp_path


def test_a_difference_is_shown_and_deployed(platform: Platform, folder: Path) -> None:
    given = {
        "INPUT_CONFS": "apis/echo.apk-conf",
        "INPUT_FILES": "apis",
        "INPUT_SERVER": f"https://api.localhost:{platform.port}",
        "INPUT_CA": str(platform.data_dir / "tls" / "ca.pem"),
        "INPUT_ADDRESS": "127.0.0.1",
        "KAPI_TOKEN": platform.token("apk:api_create"),
    }
    for mode, changed in (("diff", "true"), ("deploy", ""), ("diff", "false")):
        done = run(folder, mode, **given)
        assert done.returncode == 0, done.stderr
        assert given["KAPI_TOKEN"] not in done.stdout + done.stderr
        if changed:
            assert (folder / "output").read_text().splitlines()[
                -1
            ] == f"changed={changed}"
        if changed == "true":
            comment = (folder / "comment.md").read_text()
            assert comment.startswith("### kapi diff\n")
            assert "Acted" in comment
    path = "/acted/1.0.0/items"
    token = platform.token()
    answer = platform.request(
        "default.gw.localhost", path, "-H", f"Authorization: Bearer {token}"
    )
    assert answer.status == 200


def test_a_long_difference_is_cut_to_the_size_of_a_comment(folder: Path) -> None:
    """GitHub refuses comments over 65,536 characters."""
    diff = folder / "diff"
    diff.write_text("""#!/bin/bash
[ "$1" = context ] || { for _ in {1..9000}; do echo "+ größer"; done; exit 1; }
""")
    diff.chmod(0o755)
    given = {
        "INPUT_FILES": "apis",
        "INPUT_SERVER": "https://api.localhost",
        "KAPI_TOKEN": "t",
    }
    done = run(folder, "diff", **{**given, "KAPI": str(diff)})
    assert done.returncode == 0, done.stderr
    comment = (folder / "comment.md").read_text("utf-8")
    assert len(comment) < 65_536
    title, blank, *lines = comment.rstrip("\n").split("\n")
    assert (title, blank) == ("### kapi diff", "")
    assert all(line.startswith("    ") for line in lines)
    assert "cut" in lines[-1]
    assert done.stdout.count("größer") == 9000


def test_a_mistake_ends_the_run(folder: Path) -> None:
    good = run(folder, "validate", INPUT_CONFS="apis/echo.apk-conf")
    assert good.returncode == 0, good.stderr
    (folder / "apis" / "echo.apk-conf").write_text("name: [\n")
    bad = run(folder, "validate", INPUT_CONFS="apis/echo.apk-conf")
    assert bad.returncode == 3
    assert run(folder, "deploy").returncode == 2
    assert run(folder, "everything").returncode == 2


def test_the_file_uses_only_declared_inputs_and_none_in_a_script() -> None:
    assert ACTION["runs"]["using"] == "composite"
    used = set()
    for step in ACTION["runs"]["steps"]:
        assert step["shell"] == "bash"
        assert "${{" not in step["run"]
        used |= set(NAMED.findall(str(step.get("env", {}))))
    assert used | {"mode"} == set(ACTION["inputs"])


class Comments(BaseHTTPRequestHandler):
    """GitHub's REST API for the comments of one pull request, a page of two at a time."""

    written: ClassVar[list[dict[str, Any]]] = []
    refuses = False

    def answer(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(size)) if size else {}
        good = self.headers["Authorization"] == "Bearer t" and not self.refuses
        status, found = (200, self.found(body)) if good else (403, {"message": "no"})
        content = json.dumps(found).encode()
        self.send_response(status)
        url = urlsplit(self.path)
        page = int(dict(parse_qsl(url.query)).get("page", 1))
        if self.command == "GET" and page * 2 < len(self.written):
            host = f"http://{self.headers['Host']}"
            self.send_header("Link", f'<{host}{url.path}?page={page + 1}>; rel="next"')
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def found(self, body: dict[str, Any]) -> Any:
        url = urlsplit(self.path)
        if self.command == "PATCH":
            number = int(url.path.removeprefix("/repos/o/r/issues/comments/"))
            self.written[number - 1].update(body)
            return self.written[number - 1]
        assert url.path == "/repos/o/r/issues/7/comments"
        if self.command == "POST":
            self.written.append(made(len(self.written) + 1, body["body"], "Bot"))
            return self.written[-1]
        page = int(dict(parse_qsl(url.query)).get("page", 1))
        return self.written[2 * page - 2 : 2 * page]

    do_GET = do_POST = do_PATCH = answer

    def log_message(self, *_: object) -> None:
        pass


def made(number: int, body: str, kind: str) -> dict[str, Any]:
    return {"id": number, "body": body, "user": {"type": kind}}


@pytest.fixture
def github(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Comments]]:
    monkeypatch.setattr(Comments, "refuses", False)
    Comments.written[:] = [
        made(n, "<!-- kapi diff -->\nforged", "User") for n in (1, 2, 3)
    ]
    server = ThreadingHTTPServer(("127.0.0.1", 0), Comments)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("GITHUB_API_URL", f"http://127.0.0.1:{server.server_address[1]}")
    yield Comments
    server.shutdown()
    thread.join()
    server.server_close()


def commented(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    (folder / "comment.md").write_text(text)
    environment = {
        **os.environ,
        "GH_TOKEN": "t",
        "GITHUB_REPOSITORY": "o/r",
        "NUMBER": "7",
        "COMMENT": str(folder / "comment.md"),
    }
    script = [sys.executable, str(ROOT / "deploy" / "github" / "comment.py")]
    return subprocess.run(
        script, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def test_a_later_run_writes_into_the_comment_of_the_first(
    github: type[Comments], tmp_path: Path
) -> None:
    for text in ("first", "größer"):
        done = commented(tmp_path, text)
        assert (done.returncode, done.stderr) == (0, "")
        assert len(github.written) == 4
        assert github.written[3]["body"] == f"<!-- kapi diff -->\n{text}"


def test_why_a_comment_was_not_written(github: type[Comments], tmp_path: Path) -> None:
    github.refuses = True
    done = commented(tmp_path, "text")
    assert done.returncode == 1
    assert "::error::GitHub answered 403" in done.stderr
    assert "Traceback" not in done.stderr
