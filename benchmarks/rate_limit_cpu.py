"""What counting costs: processor time per call of a limited route, beside the plain proxy and
beside a counter in Python.

Interleaved rounds in one run, as in gateway_cpu.py. kapi counts inside Envoy, so only Envoy's time
is taken; where Envoy asks a service in Python on a Unix socket (gRPC, counters in memory), the time
of both is.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import uvloop
from gateway_cpu import Backend, Kind, compare, plain_bootstrap

from harness import DEFINITION, Platform, conf, free_port
from kapi.gateway.envoy.process.process import find_envoy

REQUESTS, ROUNDS = 480, 80
HEAD = "Host: default.gw.wso2.com\r\n"
LIMIT = "rateLimit: {requestsPerUnit: 2000000000, unit: Hour}"
TOKENS = "aiRatelimit: {enabled: true, token: {totalLimit: 2000000000, unit: Hour}, request: {}}"
CLIENT = "45f1c5c8-a92e-11ed-afa1-0242ac120002"
HTTP = "type.googleapis.com/envoy.extensions.filters.http"


def asking_python(port: int, backend: int, pem: Path, socket: Path) -> dict:
    """The plain proxy, with Envoy's rate limit filter before it."""
    config = plain_bootstrap(port, backend, pem)
    manager = config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][
        0
    ]["typed_config"]
    service = {
        "transport_api_version": "V3",
        "grpc_service": {"envoy_grpc": {"cluster_name": "rls"}},
    }
    settings = {
        "@type": f"{HTTP}.ratelimit.v3.RateLimit",
        "domain": "d",
        "failure_mode_deny": True,
        "timeout": "5s",
        "rate_limit_service": service,
    }
    manager["http_filters"].insert(
        0, {"name": "envoy.filters.http.ratelimit", "typed_config": settings}
    )
    route = manager["route_config"]["virtual_hosts"][0]["routes"][0]["route"]
    route["rate_limits"] = [{"actions": [{"generic_key": {"descriptor_value": "api"}}]}]
    protocol = {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}},
    }
    member = {"endpoint": {"address": {"pipe": {"path": str(socket)}}}}
    config["static_resources"]["clusters"].append(
        {
            "name": "rls",
            "type": "STATIC",
            "typed_extension_protocol_options": {
                "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": protocol
            },
            "load_assignment": {
                "cluster_name": "rls",
                "endpoints": [{"lb_endpoints": [member]}],
            },
        }
    )
    return config


def request(path: str, token: str) -> bytes:
    return (
        f"GET {path} HTTP/1.1\r\n{HEAD}Authorization: Bearer {token}\r\n\r\n".encode()
    )


def deploy(platform: Platform, backend: int) -> None:
    operations = (
        '- {target: "/open", verb: GET, secured: false}\n'
        f'- {{target: "/limited", verb: GET, secured: false, {LIMIT}}}\n'
        '- {target: "/items", verb: GET, scopes: ["bench"]}\n'
        f'- {{target: "/items-limited", verb: GET, scopes: ["bench"], {LIMIT}}}\n'
    )
    open_only = '- {target: "/open", verb: GET, secured: false}\n'
    tokens = conf(
        "Chat",
        "/chat",
        port=backend,
        extra="aiProvider: {name: OpenAI, apiVersion: v1}\n",
        operations=open_only,
    )
    closed = '- {target: "/items", verb: GET, scopes: ["bench"]}\n'
    for text in (
        conf(port=backend, operations=operations),
        conf(
            "Closed",
            "/closed",
            port=backend,
            extra=f"subscriptionValidation: true\n{LIMIT}\n",
            operations=closed,
        ),
        tokens.replace('/backend"\n', f'/backend"\n    {TOKENS}\n'),
    ):
        answer = platform.deploy(text, DEFINITION)
        assert answer.status == 200, answer.body
    platform.cli("app", "create", "bench")
    platform.cli("app", "add-key", "bench", CLIENT)
    platform.cli("subscription", "add", "bench", "Closed")


async def measure(
    folder: Path, platform: Platform, children: list[subprocess.Popen[bytes]]
) -> None:
    backend = await asyncio.get_running_loop().create_server(Backend, "127.0.0.1", 0)
    to = backend.sockets[0].getsockname()[1]
    await asyncio.to_thread(platform.start)
    await asyncio.to_thread(deploy, platform, to)
    token = await asyncio.to_thread(platform.token, "bench")
    pem, socket = platform.data_dir / "tls" / "edge.pem", folder / "rls.sock"
    ports = {"plain": free_port(), "python": free_port()}
    configs = {
        "plain": plain_bootstrap(ports["plain"], to, pem),
        "python": asking_python(ports["python"], to, pem, socket),
    }
    service = subprocess.Popen(
        [
            sys.executable,
            str(Path(__file__).parent / "peers" / "ratelimit_service.py"),
            str(socket),
        ]
    )
    children.append(service)
    proxies = {}
    for name, config in configs.items():
        (folder / f"{name}.json").write_text(json.dumps(config))
        command = [
            find_envoy(""),
            "-c",
            str(folder / f"{name}.json"),
            "--use-dynamic-base-id",
            "--log-level",
            "error",
        ]
        proxies[name] = subprocess.Popen(command)
        children.append(proxies[name])
    await asyncio.sleep(2)
    envoy = (platform.port, (platform.pid("envoy"),))
    kinds: dict[str, Kind] = {
        "plain proxy": (
            ports["plain"],
            (proxies["plain"].pid,),
            request("/echo/1.0.0/items", token),
        ),
        "plain proxy, limit in Python": (
            ports["python"],
            (proxies["python"].pid, service.pid),
            request("/echo/1.0.0/items", token),
        ),
        "kapi, secured: false": (*envoy, request("/echo/1.0.0/open", token)),
        "kapi, secured: false, limit": (*envoy, request("/echo/1.0.0/limited", token)),
        "kapi, secured: false, limit of tokens": (
            *envoy,
            request("/chat/1.0.0/open", token),
        ),
        "kapi, JWT and scope": (*envoy, request("/echo/1.0.0/items", token)),
        "kapi, JWT, scope, limit": (
            *envoy,
            request("/echo/1.0.0/items-limited", token),
        ),
        "kapi, JWT, scope, limit, subscription": (
            *envoy,
            request("/closed/1.0.0/items", token),
        ),
    }
    await compare(kinds, REQUESTS, ROUNDS)
    print("goal: JWT, scope and an exact limit at most 2.5 ×")
    backend.close()


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        platform, children = Platform(free_port(), Path(folder) / "data"), []
        try:
            uvloop.run(measure(Path(folder), platform, children))
        finally:
            for child in children:
                child.terminate()
                child.wait()
            if platform.process is not None:
                platform.stop()


if __name__ == "__main__":
    main()
