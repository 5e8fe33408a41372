"""What looking into a call costs: backend JWTs, interceptor services, Lua scripts and WebAssembly
modules, beside the plain proxied call.

Processor time of Envoy and of the control process; load generator, backend and interceptor service
are not counted.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import uvloop
from gateway_cpu import Backend, Kind, compare, plain_proxy

from harness import DEFINITION, Platform, free_port

REQUESTS, ROUNDS = 480, 60
MODULE = Path(__file__).parents[1] / "tests" / "wasm" / "probe.wasm"
ADDS = b'{"headersToAdd": {"x-added": "1"}}'
HTTP_OK = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
)
SCRIPT = (
    'function envoy_on_request(handle)\n  handle:headers():add("x-added", "1")\nend\n'
)


class Service(asyncio.Protocol):
    """An interceptor service that adds a header to every request."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport, self.rest = transport, b""

    def data_received(self, data: bytes) -> None:
        self.rest += data
        while (end := self.rest.find(b"\r\n\r\n")) >= 0:
            head = self.rest[:end].lower()
            length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
            if len(self.rest) < end + 4 + length:
                return
            self.rest = self.rest[end + 4 + length :]
            self.transport.write(HTTP_OK % len(ADDS) + ADDS)


def confs(backend: int, service: int) -> dict[str, str]:
    """One API for each kind of policy, by its base path."""
    policies = {
        "none": [],
        "jwt": [{"policyName": "BackendJwt"}],
        "interceptor": [
            {
                "policyName": "Interceptor",
                "parameters": {
                    "backendUrl": f"http://127.0.0.1:{service}",
                    "headersEnabled": True,
                },
            }
        ],
        "lua": [
            {
                "policyName": "LuaInterceptor",
                "parameters": {"name": "add", "sourceCode": SCRIPT},
            }
        ],
        "wasm": [
            {
                "policyName": "WASMInterceptor",
                "parameters": {
                    "name": "add",
                    "rootId": "add",
                    "url": "file:probe.wasm",
                    "config": "x-added: 1",
                },
            }
        ],
    }
    common = {
        "version": "1",
        "type": "REST",
        "endpointConfigurations": {
            "production": {"endpoint": f"http://127.0.0.1:{backend}"}
        },
    }
    operations = [{"target": "/items", "verb": "GET"}]
    return {
        name: json.dumps(
            {
                "name": name,
                "basePath": f"/{name}",
                "operations": operations,
                "apiPolicies": {"request": items},
                **common,
            }
        )
        for name, items in policies.items()
    }


async def measure(folder: Path, platform: Platform) -> None:
    loop = asyncio.get_running_loop()
    backend = await loop.create_server(Backend, "127.0.0.1", 0)
    service = await loop.create_server(Service, "127.0.0.1", 0)
    backend_port, service_port = (
        server.sockets[0].getsockname()[1] for server in (backend, service)
    )
    await asyncio.to_thread(platform.start)
    for conf in confs(backend_port, service_port).values():
        deployed = await asyncio.to_thread(platform.deploy, conf, DEFINITION)
        assert deployed.status == 200, deployed.body
    token = await asyncio.to_thread(platform.token)
    async with plain_proxy(
        folder, backend_port, platform.data_dir / "tls" / "edge.pem"
    ) as (
        port,
        plain,
    ):
        pids = (platform.pid("envoy"), platform.pid("control"))
        head = f"Host: default.gw.wso2.com\r\nAuthorization: Bearer {token}\r\n\r\n"
        kinds: dict[str, Kind] = {
            "plain proxy": (port, (plain,), f"GET /items HTTP/1.1\r\n{head}".encode())
        }
        words = {
            "none": "",
            "jwt": ", backend JWT",
            "interceptor": ", interceptor",
            "lua": ", Lua",
            "wasm": ", WebAssembly",
        }
        for name, word in words.items():
            kinds[f"kapi, JWT{word}"] = (
                platform.port,
                pids,
                f"GET /{name}/1/items HTTP/1.1\r\n{head}".encode(),
            )
        await compare(kinds, REQUESTS, ROUNDS)
    backend.close()
    service.close()


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "kapi.toml").write_text(
            f'[gateway.wasm]\nfolder = "{MODULE.parent}"\n'
        )
        platform = Platform(
            free_port(),
            folder / "data",
            environment={"KAPI_CONFIG": str(folder / "kapi.toml")},
        )
        try:
            uvloop.run(measure(folder, platform))
        finally:
            if platform.process is not None:
                platform.stop()


if __name__ == "__main__":
    main()
