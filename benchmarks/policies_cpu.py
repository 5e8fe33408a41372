"""What each policy costs that Envoy carries out by its own filters: processor time of Envoy per
call, beside the plain proxied call.

Limits and subscriptions are in rate_limit_cpu.py, what looks into a call in mediation_cpu.py.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import uvloop
from gateway_cpu import Backend, Kind, compare, plain_proxy

from harness import DEFINITION, Platform, free_port

REQUESTS, ROUNDS = 480, 60
_CORS = {
    "corsConfigurationEnabled": True,
    "accessControlAllowOrigins": ["https://shop.example"],
    "accessControlAllowMethods": ["GET"],
}
_HEADERS = {
    "request": [
        {
            "policyName": "SetHeader",
            "parameters": {"headerName": "x-a", "headerValue": "1"},
        }
    ],
    "response": [
        {
            "policyName": "AddHeader",
            "parameters": {"headerName": "x-b", "headerValue": "2"},
        }
    ],
}
_RESILIENCY = {
    "timeout": {"upstreamResponseTimeout": 30},
    "retryPolicy": {"count": 2, "baseIntervalMillis": 50, "statusCodes": [503]},
    "circuitBreaker": {
        "maxConnections": 100,
        "maxPendingRequests": 100,
        "maxRequests": 100,
    },
}
_BASIC = {
    "enabled": True,
    "securityType": {
        "secretName": "bench",
        "userNameKey": "user",
        "passwordKey": "password",
    },
}
_SECRETS = {
    "user": "u",
    "password": "p",
    "users": "bench:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=",
    "client": "secret-of-the-client",
    "session": "0123456789abcdef0123456789abcdef",
}


_ITEMS = {"target": "/items", "verb": "GET"}


def _listed(name: str, **parameters: Any) -> dict[str, Any]:
    """A list of policies of requests with this one."""
    return {"request": [{"policyName": name, "parameters": parameters}]}


_REWRITE = _listed("URLRewrite", path="/others")


def confs(backend: int) -> dict[str, str]:
    """One API for each policy, by its base path."""
    url = f"http://127.0.0.1:{backend}"
    plain: dict[str, Any] = {
        "endpointConfigurations": {"production": {"endpoint": url}}
    }
    kinds: dict[str, dict[str, Any]] = {
        "open": plain
        | {"operations": [{"target": "/items", "verb": "GET", "secured": False}]},
        "jwt": plain,
        "scope": plain
        | {"operations": [{"target": "/items", "verb": "GET", "scopes": ["bench"]}]},
        "together": plain
        | {
            "operations": [{"target": "/items", "verb": "GET", "scopes": ["bench"]}],
            "corsConfiguration": _CORS,
        },
        "cors": plain | {"corsConfiguration": _CORS},
        "headers": plain | {"apiPolicies": _HEADERS},
        "addresses": plain
        | {"apiPolicies": _listed("IPRestriction", allow=["127.0.0.0/8"])},
        "users": plain
        | {
            "operations": [_ITEMS | {"secured": False}],
            "apiPolicies": _listed(
                "BasicAuthentication", secretName="bench", secretKey="users"
            ),
        },
        "browsers": plain
        | {
            "apiPolicies": _listed(
                "BrowserSignIn",
                clientId="bench",
                secretName="bench",
                clientSecretKey="client",
                sessionSecretKey="session",
            )
        },
        "asked": plain | {"apiPolicies": _listed("ExternalAuthorization", url=url)},
        "rewrite": plain | {"operations": [_ITEMS | {"operationPolicies": _REWRITE}]},
        "faults": plain
        | {"apiPolicies": _listed("FaultInjection", delayMillis=1, delayPercent=1)},
        "compression": plain
        | {"apiPolicies": {"response": [{"policyName": "Compression"}]}},
        "cache": plain
        | {
            "operations": [_ITEMS | {"secured": False}],
            "apiPolicies": {
                "response": [
                    {
                        "policyName": "ResponseCache",
                        "parameters": {"lifetimeSeconds": 86400},
                    }
                ]
            },
        },
        "xml": plain | {"apiPolicies": {"response": [{"policyName": "JSONToXML"}]}},
        "validation": plain
        | {"apiPolicies": _listed("RequestValidation", unknownQuery=True)},
        "mock": plain | {"apiPolicies": _listed("MockResponse", body=f'"{"x" * 48}"')},
        "resiliency": {
            "endpointConfigurations": {
                "production": {"endpoint": url, "resiliency": _RESILIENCY}
            }
        },
        "basic": {
            "endpointConfigurations": {
                "production": {"endpoint": url, "endpointSecurity": _BASIC}
            }
        },
        "weighted": {
            "endpointConfigurations": {
                "production": [
                    {"endpoint": url, "weight": 1},
                    {"endpoint": f"{url}/b", "weight": 1},
                ]
            }
        },
        "balanced": {
            "loadBalancing": {
                "kind": "leastRequest",
                "healthCheck": {"path": "/health", "intervalSeconds": 60},
                "outlierDetection": {},
            },
            "endpointConfigurations": {
                "production": [
                    {"endpoint": url},
                    {"endpoint": f"http://localhost:{backend}"},
                ]
            },
        },
        "sticky": {
            "loadBalancing": {"kind": "maglev", "hashOn": {"sourceIp": True}},
            "endpointConfigurations": {
                "production": [
                    {"endpoint": url},
                    {"endpoint": f"http://localhost:{backend}"},
                ]
            },
        },
        "mirror": plain
        | {
            "apiPolicies": {
                "request": [
                    {"policyName": "RequestMirror", "parameters": {"urls": [url]}}
                ]
            }
        },
        "mtls": plain
        | {
            "authentication": [
                {
                    "authType": "mTLS",
                    "required": "mandatory",
                    "certificates": [{"name": "client", "key": "c"}],
                }
            ]
        },
        "apikey": plain
        | {
            "authentication": [
                {"authType": "OAuth2", "required": "optional"},
                {"authType": "APIKey", "required": "optional"},
            ]
        },
    }
    common = {"version": "1", "type": "REST", "operations": [_ITEMS]}
    return {
        name: json.dumps({"name": name, "basePath": f"/{name}", **common, **conf})
        for name, conf in kinds.items()
    }


WORDS = {
    "open": "secured: false",
    "jwt": "JWT",
    "scope": "JWT, scope",
    "cors": "JWT, CORS",
    "together": "JWT, scope, CORS",
    "headers": "JWT, headers both ways",
    "addresses": "JWT, IP restriction",
    "users": "user name and password",
    "browsers": "JWT, sign-in of browsers (not asked for)",
    "asked": "JWT, external authorization (HTTP)",
    "rewrite": "JWT, URL rewrite",
    "faults": "JWT, fault injection",
    "compression": "JWT, compression (not asked for)",
    "cache": "secured: false, answered from the cache",
    "xml": "JWT, JSON to XML of the answer",
    "validation": "JWT, request validation (no parameters)",
    "mock": "JWT, mock response",
    "resiliency": "JWT, timeout, retries, circuit breaker",
    "basic": "JWT, Basic credentials for the backend",
    "weighted": "JWT, two weighted endpoints",
    "balanced": "JWT, two balanced endpoints with checks",
    "sticky": "JWT, two endpoints by source address (Maglev)",
    "mirror": "JWT, mirror",
    "mtls": "JWT, client certificate",
}


def client_certificate(folder: Path) -> Path:
    """A certificate that signs itself, `client.crt`, and a file with its key too."""
    kind = [
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "1",
        "-subj",
        "/CN=bench",
    ]
    key, certificate, both = (
        folder / f"client.{ending}" for ending in ("key", "crt", "pem")
    )
    subprocess.run(
        ["openssl", "req", *kind, "-keyout", str(key), "-out", str(certificate)],
        capture_output=True,
        check=True,
    )
    both.write_text(certificate.read_text() + key.read_text())
    return both


async def measure(folder: Path, platform: Platform) -> None:
    backend = await asyncio.get_running_loop().create_server(Backend, "127.0.0.1", 0)
    port = backend.sockets[0].getsockname()[1]
    await asyncio.to_thread(platform.start)
    certificate = client_certificate(folder)
    platform.cli("secret", "set", "client", "c", "--file", str(folder / "client.crt"))
    for conf in confs(port).values():
        deployed = await asyncio.to_thread(platform.deploy, conf, DEFINITION)
        assert deployed.status == 200, deployed.body
    token = await asyncio.to_thread(platform.token, "bench")
    keys = {
        kind: platform.cli("api-key", "create", "apikey:1", *flags).stdout.strip()
        for kind, flags in (("JWT", ()), ("opaque", ("--opaque",)))
    }
    async with plain_proxy(folder, port, platform.data_dir / "tls" / "edge.pem") as (
        plain_port,
        plain,
    ):
        host, ours = (
            "Host: default.gw.wso2.com\r\nOrigin: https://shop.example\r\n",
            (platform.pid("envoy"),),
        )
        bearer = f"{host}Authorization: Bearer {token}\r\n\r\n"
        kinds: dict[str, Kind] = {
            "plain proxy": (
                plain_port,
                (plain,),
                f"GET /items HTTP/1.1\r\n{bearer}".encode(),
            )
        }
        for name, words in WORDS.items():
            sent = bearer
            if name == "users":
                sent = f"{host}Authorization: Basic YmVuY2g6cGFzc3dvcmQ=\r\n\r\n"
            elif name == "cache":
                sent = f"{host}\r\n"
            kinds[f"kapi, {words}"] = (
                platform.port,
                ours,
                f"GET /{name}/1/items HTTP/1.1\r\n{sent}".encode(),
            )
        for kind, key in keys.items():
            kinds[f"kapi, API key ({kind})"] = (
                platform.port,
                ours,
                f"GET /apikey/1/items HTTP/1.1\r\n{host}apikey: {key}\r\n\r\n".encode(),
            )
        await compare(kinds, REQUESTS, ROUNDS, {f"kapi, {WORDS['mtls']}": certificate})
        print("goal: JWT, scope and CORS at most 1.6 ×")
    backend.close()


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "kapi.toml").write_text(
            "".join(
                f'[[secrets.values]]\nname = "bench"\nkey = "{key}"\nvalue = "{value}"\n'
                for key, value in _SECRETS.items()
            )
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
