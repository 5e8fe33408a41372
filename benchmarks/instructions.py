"""Instructions of Envoy outside the kernel for a call, counted by callgrind; not part of `run.py`.

A platform is started and its configuration saved. A second Envoy gets it from a file, below
valgrind, once for each variant: as it is, without the access log, and without each filter that
`--without` names. A plain proxy is beside them. One connection, one thread; it works on a busy
machine. Counts of one run differ by up to 1 %; callgrind counts an allocation about four times as
high as it is on a processor (tcmalloc has no counters of its own for each processor there).

`--log` adds what parts of the access log cost.

`--keep FOLDER` keeps what callgrind wrote. Envoy has no symbols: compare the calls of a function
in two variants, or look for a function that is called once for each filter.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from gateway_cpu import ANSWER, OPERATIONS, plain_bootstrap

from harness import DEFINITION, Platform, conf, free_port
from kapi.gateway.envoy.process.process import find_envoy

WARM_UP, CALLS = 30, 200
HOST = "default.gw.wso2.com"
CALLGRIND = ("valgrind", "--tool=callgrind", "--instr-atstart=no")
QUIET = ("--use-dynamic-base-id", "--concurrency", "1", "--log-level", "error")
SLOW = {"miss_timeout": "600s", "megamiss_timeout": "600s"}
Config = dict[str, Any]


def serve() -> int:
    """A backend that answers every request; its port."""
    server = socket.create_server(("127.0.0.1", 0))

    def answer(connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            rest = b""
            while piece := connection.recv(65536):
                *requests, rest = (rest + piece).split(b"\r\n\r\n")
                connection.sendall(ANSWER * len(requests))

    def accept() -> None:
        while True:
            threading.Thread(
                target=answer, args=(server.accept()[0],), daemon=True
            ).start()

    threading.Thread(target=accept, daemon=True).start()
    port: int = server.getsockname()[1]
    return port


def saved(folder: Path, text: str) -> tuple[dict[str, list[Config]], Path, str]:
    """The configuration of a platform with this API by kind, its certificate, and a token."""
    platform = Platform(free_port(), folder / "data")
    try:
        platform.start()
        done = platform.deploy(text, DEFINITION)
        assert done.status == 200, done.body
        token = platform.token("bench")
        admin = platform.data_dir / "run" / "admin.sock"
        command = [
            "curl",
            "-sS",
            "--unix-socket",
            str(admin),
            "http://envoy/config_dump",
        ]
        dump = subprocess.run(command, check=True, capture_output=True).stdout
        pem = folder / "edge.pem"
        shutil.copy(platform.data_dir / "tls" / "edge.pem", pem)
    finally:
        if platform.process is not None:
            platform.stop()
    found: dict[str, list[Config]] = {}
    for item in json.loads(dump)["configs"]:
        found.setdefault(item["@type"].rsplit(".", 1)[1], []).append(item)
    return found, pem, token


def plain(items: Config) -> Config:
    return {name: value for name, value in items.items() if name != "@type"}


def scopes_of(found: dict[str, list[Config]]) -> list[Config]:
    """The scopes of routes, each with its routes in it."""
    routes = {}
    for item in found["RoutesConfigDump"]:
        for each in item.get("dynamic_route_configs", []):
            routes[each["route_config"]["name"]] = each["route_config"]
    scopes = []
    for item in found["ScopedRoutesConfigDump"]:
        inline = item.get("inline_scoped_route_configs", [])
        for each in (*inline, *item.get("dynamic_scoped_route_configs", [])):
            scopes += map(plain, each["scoped_route_configs"])
    for scope in scopes:
        scope.pop("route_configuration_name", None)
        own = scope.get("route_configuration") or routes[scope["name"]]
        scope["route_configuration"] = plain(own)
    return scopes


def static(found: dict[str, list[Config]], pem: Path, port: int, log: Path) -> Config:
    """A configuration in one file."""
    filters = {}
    for item in found["EcdsConfigDump"]:
        for each in item.get("ecds_filters", []):
            filters[each["ecds_filter"]["name"]] = each["ecds_filter"]["typed_config"]
    listeners = found["ListenersConfigDump"][0]["dynamic_listeners"]
    edge = plain(
        next(item for item in listeners if item["name"] == "edge")["active_state"][
            "listener"
        ]
    )
    edge["address"]["socket_address"].update(address="127.0.0.1", port_value=port)
    chain = edge["filter_chains"][0]
    common = chain["transport_socket"]["typed_config"]["common_tls_context"]
    del common["tls_certificate_sds_secret_configs"]
    files = {
        "certificate_chain": {"filename": str(pem)},
        "private_key": {"filename": str(pem)},
    }
    common["tls_certificates"] = [files]
    manager = chain["filters"][0]["typed_config"]
    for item in manager["access_log"]:
        if "path" in item["typed_config"]:
            item["typed_config"]["path"] = str(log)
    scoped = manager["scoped_routes"]
    del scoped["scoped_rds"], scoped["rds_config_source"]
    scoped["scoped_route_configurations_list"] = {
        "scoped_route_configurations": scopes_of(found)
    }
    for item in manager["http_filters"]:
        if item.pop("config_discovery", None):
            item["typed_config"] = filters[item["name"]]
    clusters = found["ClustersConfigDump"][0]["dynamic_active_clusters"]
    bootstrap = found["BootstrapConfigDump"][0]["bootstrap"]
    return {
        "static_resources": {
            "listeners": [edge],
            "clusters": [plain(item["cluster"]) for item in clusters],
        },
        "layered_runtime": bootstrap["layered_runtime"],
        "stats_config": bootstrap["stats_config"],
    }


def manager_of(config: Config) -> Config:
    made: Config = config["static_resources"]["listeners"][0]["filter_chains"][0][
        "filters"
    ][0]
    return made["typed_config"]


def without_log(config: Config) -> None:
    manager = manager_of(config)
    logs = ("passed", "not_passed")
    kept = [item for item in manager["access_log"] if item["name"] not in logs]
    manager["access_log"] = kept


def without(name: str) -> Callable[[Config], None]:
    def change(config: Config) -> None:
        manager = manager_of(config)
        kept = [item for item in manager["http_filters"] if item["name"] != name]
        assert len(kept) < len(manager["http_filters"]), f"no filter {name}"
        manager["http_filters"] = kept
        text = json.dumps(manager["scoped_routes"])
        scoped = json.loads(text, object_hook=lambda item: left_out(item, name))
        manager["scoped_routes"] = scoped

    return change


def left_out(item: Config, name: str) -> Config:
    item.get("typed_per_filter_config", {}).pop(name, None)
    return item


def line_of(config: Config) -> Config:
    """The fields of the line of a call that passed."""
    logs = manager_of(config)["access_log"]
    passed = next(item for item in logs if item["name"] == "passed")
    line: Config = passed["typed_config"]["log_format"]["json_format"]
    return line


def time_alone(config: Config) -> None:
    line = line_of(config)
    for name in set(line) - {"time"}:
        del line[name]


def without_fields(*names: str) -> Callable[[Config], None]:
    def change(config: Config) -> None:
        for name in names:
            del line_of(config)[name]

    return change


LOG_PARTS: tuple[tuple[str, Callable[[Config], None]], ...] = (
    ("a line with the time alone", time_alone),
    (
        "no consumer, subject, application",
        without_fields("consumer", "subject", "application"),
    ),
    ("no API and operation", without_fields("route")),
    ("no URL", without_fields("url")),
    ("no usage of AI and faults of answers", without_fields("usage", "answer_fault")),
)


@contextlib.contextmanager
def below_valgrind(folder: Path, config: Config, port: int) -> Iterator[int]:
    """Envoy with this configuration: its process id."""
    folder.mkdir()
    file = folder / "envoy.json"
    watchdogs = dict.fromkeys(("main_thread_watchdog", "worker_watchdog"), SLOW)
    file.write_text(
        json.dumps({**config, "watchdogs": watchdogs, "stats_flush_interval": "290s"})
    )
    out = f"--callgrind-out-file={folder / 'callgrind.out'}"
    log = (folder / "log").open("w")
    command = [*CALLGRIND, out, find_envoy(""), "-c", str(file), *QUIET]
    process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        while not answers(port, process, folder / "log"):
            time.sleep(0.5)
        yield process.pid
    finally:
        process.terminate()
        process.wait()


def answers(port: int, process: subprocess.Popen[bytes], log: Path) -> bool:
    assert process.poll() is None, log.read_text()
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def send(request: bytes, stream: ssl.SSLSocket, times: int) -> None:
    """Insist on 200 for each call."""
    for _ in range(times):
        stream.sendall(request)
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += stream.recv(65536)
        head, _, body = answer.partition(b"\r\n\r\n")
        found = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        assert head.startswith(b"HTTP/1.1 200"), answer
        assert found, head
        while len(body) < int(found[1]):
            body += stream.recv(65536)


Sending = Callable[[ssl.SSLSocket, int], None]


def counted(folder: Path, config: Config, port: int, sending: Sending) -> float:
    """Thousand instructions of each time that `sending` does what it does."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with below_valgrind(folder, config, port) as pid:

        def control(*arguments: str) -> None:
            command = ["callgrind_control", *arguments, str(pid)]
            subprocess.run(command, check=True, capture_output=True)

        connection = socket.create_connection(("127.0.0.1", port), timeout=300)
        with context.wrap_socket(connection, server_hostname=HOST) as stream:
            control("-i", "on")
            sending(stream, WARM_UP)
            control("-z")
            sending(stream, CALLS)
            control("-d")
    text = (folder / "callgrind.out.1").read_text()
    total = re.search(r"^totals: (\d+)", text, re.MULTILINE)
    assert total
    return int(total[1]) / CALLS / 1000


def measure(folder: Path, names: list[str], *, log: bool) -> None:
    backend = serve()
    found, pem, token = saved(folder, conf(port=backend, operations=OPERATIONS))
    secured = f"GET /echo/1.0.0/items HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {token}"
    rows: list[tuple[str, str, Callable[[Config], None]]] = [
        (
            "kapi, secured: false",
            f"GET /echo/1.0.0/open HTTP/1.1\r\nHost: {HOST}",
            lambda _: None,
        ),
        ("kapi, JWT and scope", secured, lambda _: None),
        ("kapi, JWT and scope, no access log", secured, without_log),
        *(
            (f"kapi, JWT and scope, without {name}", secured, without(name))
            for name in names
        ),
    ]
    if log:
        rows += [(name, secured, change) for name, change in LOG_PARTS]
    port = free_port()
    bare = plain_bootstrap(port, backend, pem)
    base = counted(
        folder / "plain", bare, port, partial(send, f"{secured}\r\n\r\n".encode())
    )
    print(f"{'plain proxy':<70} {base:7.1f} thousand", flush=True)
    for number, (name, request, change) in enumerate(rows):
        port = free_port()
        text = json.dumps(found)
        config = static(json.loads(text), pem, port, folder / "access.log")
        change(config)
        value = counted(
            folder / str(number),
            config,
            port,
            partial(send, f"{request}\r\n\r\n".encode()),
        )
        print(
            f"{name:<70} {value:7.1f} thousand   {value / base:.2f} × the plain proxy",
            flush=True,
        )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--without", action="append", default=[], metavar="FILTER")
    options.add_argument("--log", action="store_true", help="parts of the access log")
    options.add_argument("--keep", type=Path, help="a folder for what callgrind wrote")
    chosen = options.parse_args()
    assert shutil.which("callgrind_control"), (
        "install valgrind (Debian: apt-get install valgrind)"
    )
    with tempfile.TemporaryDirectory() as name:
        measure(Path(name), chosen.without, log=chosen.log)
        if chosen.keep:
            shutil.copytree(name, chosen.keep, ignore=shutil.ignore_patterns("data"))


if __name__ == "__main__":
    main()
