"""What limits cost that several nodes count in Redis: processor time per call.

Beside the local counter, in interleaved rounds in one run, as in gateway_cpu.py. Where Envoy asks,
the time of the process that it asks and of Redis is counted too. With the path of a binary of
Envoy's rate limit service (github.com/envoyproxy/ratelimit, `service_cmd`) as an argument, that is
measured with the same Redis: one limit for each call, over gRPC. Needs Debian's redis-server.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import uvloop
from gateway_cpu import Backend, Kind, compare, plain_bootstrap
from rate_limit_cpu import asking_python

from harness import DEFINITION, Platform, conf, free_port
from kapi.gateway.envoy.process.process import find_envoy
from redis_server import RedisServer, redis_server

REQUESTS, ROUNDS = 480, 60
HEAD = "Host: default.gw.wso2.com\r\n"
LIMIT = "rateLimit: {requestsPerUnit: 2000000000, unit: Hour}\n"
OPEN = '- {target: "/open", verb: GET, secured: false}\n'
CALL = f"GET /echo/1.0.0/open HTTP/1.1\r\n{HEAD}\r\n".encode()


def rate_limit_service(
    binary: str, folder: Path, redis: RedisServer
) -> tuple[subprocess.Popen[bytes], str]:
    """Envoy's service with the same Redis, on the port that `PORT` says."""
    config = folder / "runtime" / "config"
    config.mkdir(parents=True)
    limit = "{unit: hour, requests_per_unit: 2000000000}"
    text = f"domain: d\ndescriptors: [{{key: generic_key, value: api, rate_limit: {limit}}}]\n"
    (config / "limits.yaml").write_text(text)
    environment = {
        "RUNTIME_ROOT": str(folder / "runtime"),
        "RUNTIME_SUBDIRECTORY": "",
        "RUNTIME_WATCH_ROOT": "false",
        "USE_STATSD": "false",
        "DISABLE_STATS": "true",
        "LOG_LEVEL": "error",
        "REDIS_SOCKET_TYPE": "tcp",
        "REDIS_URL": f"127.0.0.1:{redis.port}",
        "GRPC_UDS": "",
        "GRPC_HOST": "127.0.0.1",
        "GRPC_PORT": str(free_port()),
        "PORT": str(free_port()),
        "DEBUG_PORT": str(free_port()),
    }
    return subprocess.Popen([binary], env={**os.environ, **environment}), environment[
        "GRPC_PORT"
    ]


def platform(folder: Path, name: str, **limits: str) -> Platform:
    made = Platform(free_port(), folder / name / "data")
    made.data_dir.parent.mkdir()
    made.environment = {
        f"KAPI_LIMITS__{key.upper()}": value for key, value in limits.items()
    }
    made.start()
    return made


def deployed(node: Platform, backend: int, extra: str = LIMIT) -> None:
    answer = node.deploy(conf(port=backend, extra=extra, operations=OPEN), DEFINITION)
    assert answer.status == 200, answer.body


def proxy(folder: Path, name: str, config: dict) -> subprocess.Popen[bytes]:
    path = folder / f"{name}.json"
    path.write_text(json.dumps(config))
    command = [
        find_envoy(""),
        "-c",
        str(path),
        "--use-dynamic-base-id",
        "--log-level",
        "error",
    ]
    return subprocess.Popen(command)


async def measure(
    folder: Path, redis: RedisServer, stack: ExitStack, binary: str
) -> None:
    server = await asyncio.get_running_loop().create_server(Backend, "127.0.0.1", 0)
    to = server.sockets[0].getsockname()[1]
    made = {
        "no limit": {},
        "limit, this node alone": {},
        "shared limit, a tenth ahead": {"redis": redis.url},
        "shared limit, each call asks": {"redis": redis.url, "ahead": "0"},
    }
    nodes = {}
    for number, (name, limits) in enumerate(made.items()):
        nodes[name] = await asyncio.to_thread(platform, folder, str(number), **limits)
        stack.callback(nodes[name].stop)
        extra = "" if name == "no limit" else LIMIT
        await asyncio.to_thread(deployed, nodes[name], to, extra)
    pem = nodes["no limit"].data_dir / "tls" / "edge.pem"
    port = free_port()
    plain = proxy(folder, "plain", plain_bootstrap(port, to, pem))
    stack.callback(plain.kill)
    assert redis.process is not None
    kinds: dict[str, Kind] = {"plain proxy": (port, (plain.pid,), CALL)}
    for name, node in nodes.items():
        pids = (node.pid("envoy"),)
        if "shared" in name:
            pids += (node.pid("limits"), redis.process.pid)
        kinds[f"kapi, {name}"] = (node.port, pids, CALL)
    if binary:
        service, grpc_port = rate_limit_service(binary, folder, redis)
        stack.callback(service.kill)
        port = free_port()
        config = asking_python(port, to, pem, folder / "unused")
        at = {"socket_address": {"address": "127.0.0.1", "port_value": int(grpc_port)}}
        members = config["static_resources"]["clusters"][-1]["load_assignment"][
            "endpoints"
        ]
        members[0]["lb_endpoints"][0]["endpoint"]["address"] = at
        asking = proxy(folder, "asking", config)
        stack.callback(asking.kill)
        pids = (asking.pid, service.pid, redis.process.pid)
        kinds["plain proxy, Envoy's rate limit service"] = (port, pids, CALL)
    await asyncio.sleep(3)
    await compare(kinds, REQUESTS, ROUNDS)
    server.close()


def main() -> None:
    binary = sys.argv[1] if len(sys.argv) > 1 else ""
    with (
        tempfile.TemporaryDirectory() as folder,
        redis_server() as redis,
        ExitStack() as stack,
    ):
        uvloop.run(measure(Path(folder), redis, stack, binary))


if __name__ == "__main__":
    main()
