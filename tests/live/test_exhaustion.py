"""What strangers make the platform do is bounded, ends with them, and keeps nobody else waiting."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import pytest

from harness import Platform, conf, free_port
from kapi.settings import WELL_KNOWN_CLIENT_ID as CLIENT
from person import Person, authorize_path, over_https
from waiting import until

GENERATE = "/api/configurator/apis/generate-configuration"
HEAD = b"openapi: 3.0.3\ninfo: {title: a, version: '1'}\n"


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("kapi")
    (folder / "kapi.toml").write_text(
        "[apis]\nfetch_timeout = 600\nwork_seconds = 600\nwork_bytes = 134217728\nworkers = 2\n"
        "[identity]\nclient_id_metadata_documents = true\n"
    )
    running = Platform(
        free_port(), folder / "data", arguments=("--config", str(folder / "kapi.toml"))
    )
    running.start()
    yield running
    running.stop()
    logs = "".join(
        path.read_text() for path in (running.data_dir / "logs").glob("*.log")
    )
    assert "Traceback" not in logs


class Silent:
    """A server that takes connections and never answers."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self._socket.getsockname()[1]
        self.taken: list[socket.socket] = []
        threading.Thread(target=self._take, daemon=True).start()

    def _take(self) -> None:
        while True:
            try:
                self.taken.append(self._socket.accept()[0])
            except OSError:
                return

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for peer in self.taken:
            peer.close()


@contextmanager
def silent() -> Iterator[Silent]:
    server = Silent()
    try:
        yield server
    finally:
        server.close()


def pool_processes(platform: Platform) -> list[psutil.Process]:
    found = psutil.Process(platform.pid("control")).children(recursive=True)
    return [item for item in found if "kapi.pool.process" in command_of(item)]


def command_of(process: psutil.Process) -> str:
    """Its command line; empty if it has ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:  # a zombie among them
        return ""


def asking(platform: Platform, *form: str) -> subprocess.Popen[bytes]:
    """A request that is under way."""
    address = f"https://api.am.wso2.com:{platform.port}{GENERATE}"
    resolve = ("--resolve", f"api.am.wso2.com:{platform.port}:127.0.0.1")
    return subprocess.Popen(
        [
            "curl",
            "-sSk",
            "-o",
            "/dev/null",
            "--max-time",
            "300",
            *resolve,
            address,
            *form,
        ]
    )


def end(requests: list[subprocess.Popen[bytes]]) -> None:
    for request in requests:
        request.kill()
        request.wait()


def test_addresses_that_do_not_answer_keep_nobody_waiting(platform: Platform) -> None:
    with silent() as server:
        url = f"url=http://127.0.0.1:{server.port}/openapi.yaml"
        requests = [asking(platform, "-F", url) for _ in range(30)]
        until(lambda: len(server.taken) == 8)
        until(lambda: sum(request.poll() is not None for request in requests) >= 6)
        refusal = platform.api(GENERATE, "-F", url)
        assert (
            refusal.status,
            refusal.json()["code"],
            refusal.headers["retry-after"],
        ) == (
            429,
            900957,
            "5",
        )
        # Others: the documents that are sent, deployments, lists. All while those wait.
        assert platform.api(GENERATE, "-F", "definition=openapi: 3.0.3").status == 400
        token = platform.token("apk:api_create")
        assert platform.api("/api/deployer/apis", token=token).status == 200
        assert (
            platform.deploy(conf(port=1), HEAD.decode() + "paths: {}\n", token).status
            == 200
        )
        assert len(server.taken) == 8
        end(requests)
        # They left: the places are free at once, though the fetches could have gone on for ten
        # minutes.
        with silent() as other:
            more = [
                asking(platform, "-F", f"url=http://127.0.0.1:{other.port}/")
                for _ in range(8)
            ]
            until(lambda: len(other.taken) == 8)
            end(more)


def test_a_large_document_is_read_outside_and_not_after_its_caller_left(
    platform: Platform, tmp_path: Path
) -> None:
    (tmp_path / "large.yaml").write_bytes(
        HEAD + b"paths: {}\nx-a: [" + b"a," * 4_900_000 + b"a]"
    )
    before = len(pool_processes(platform))
    control = psutil.Process(platform.pid("control"))
    requests = [
        asking(platform, "-F", f"definition=@{tmp_path}/large.yaml") for _ in range(8)
    ]
    until(lambda: pool_processes(platform))
    most = control.memory_info().rss
    # Two, each with a child that does the work.
    assert len(pool_processes(platform)) <= 4
    assert platform.api("/health").status == 200
    end(requests)
    until(lambda: len(pool_processes(platform)) <= before)
    assert most < 400 * 1024**2


def answered(platform: Platform, path: str, *arguments: str) -> Any:
    """The JSON of an answer that may take long on a busy machine."""
    address = f"https://api.am.wso2.com:{platform.port}{path}"
    resolve = ("--resolve", f"api.am.wso2.com:{platform.port}:127.0.0.1")
    command = ["curl", "-sSk", "--max-time", "300", *resolve, address, *arguments]
    return json.loads(
        subprocess.run(command, capture_output=True, timeout=310, check=True).stdout
    )


def test_a_document_that_needs_too_much_is_refused(
    platform: Platform, tmp_path: Path
) -> None:
    large, api = tmp_path / "large.yaml", tmp_path / "api.apk-conf"
    large.write_bytes(HEAD + b"paths: {}\nx-a: [" + b"[],[]," * 500_000 + b"a]")
    api.write_text(conf(port=1))
    refused = answered(platform, GENERATE, "-F", f"definition=@{large}")
    assert (refused["code"], refused["description"]) == (
        900959,
        "Reading it took more than 128 MiB of memory.",
    )
    bearer = f"Authorization: Bearer {platform.token('apk:api_create')}"
    parts = ("-F", f"apkConfiguration=@{api}", "-F", f"definitionFile=@{large}")
    assert (
        answered(platform, "/api/deployer/apis/deploy", "-H", bearer, *parts)["code"]
        == 900959
    )


def test_a_document_of_usual_size_is_read_either_way(platform: Platform) -> None:
    paths = "".join(
        f"  /p{number}: {{get: {{responses: {{'200': {{description: ok}}}}}}}}\n"
        for number in range(1500)
    )
    definition = HEAD.decode() + "paths:\n" + paths
    assert len(definition) > 64 * 1024
    token = platform.token("apk:api_create")
    large = platform.deploy(conf("Large", "/large", port=1), definition, token)
    assert large.status == 200, large.body
    wrong = platform.deploy(
        conf("Large", "/large", port=1).replace("verb: GET", "verb: TAKE"),
        definition,
        token,
    )
    assert (wrong.status, wrong.json()["diagnostics"][0]["line"]) == (400, 10)


def test_a_server_of_client_documents_that_does_not_answer_keeps_no_sign_in_waiting(
    platform: Platform,
) -> None:
    with silent() as server:

        def page(number: int) -> int:
            client = quote(f"http://127.0.0.1:{server.port}/client-{number}", safe="")
            return platform.request(
                "idp.am.wso2.com",
                f"/oauth2/authorize?response_type=code&client_id={client}",
            ).status

        with ThreadPoolExecutor(40) as threads:
            opened = [threads.submit(page, number) for number in range(40)]
            until(lambda: len(server.taken) >= 4)
            # All of these are answered while the server still holds what it was asked first.
            for _ in range(10):
                assert (
                    "Sign in"
                    in Person(over_https(platform.port))
                    .open(authorize_path(CLIENT, "http://httpbin.org"))
                    .text
                )
            assert platform.token()
            statuses = Counter(item.result() for item in opened)
    assert set(statuses) <= {400, 503}
    assert statuses[503] > 0


def test_objects_of_many_values_take_no_memory_of_the_platform(
    platform: Platform, tmp_path: Path
) -> None:
    body = tmp_path / "many"
    body.write_bytes(b'{"objects": [' + b"[]," * 11_000_000 + b"[]]}")
    token, process = (
        platform.token("apk:api_create"),
        psutil.Process(platform.pid("control")),
    )
    before = process.memory_info().rss
    sent = ("--data-binary", f"@{body}", "--max-time", "60")

    def apply(_: int) -> int:
        return platform.api("/api/apply", *sent, token=token).status

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(apply, range(4))) <= {400, 429, 503}
    assert platform.pid("control") == process.pid
    assert process.memory_info().rss - before < 300 * 1024**2
