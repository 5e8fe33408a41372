"""Asks Envoy whether it accepts a configuration: `envoy --mode validate`, about 70 ms.

A process of its own, so what does not end or ends Envoy does no harm. Called by the deployer for
APIs with code of their own before anything is published, and for the reason of a rejection: on the
stream Envoy cuts it off behind the rejected message.
"""

from __future__ import annotations

import contextlib
import json
import resource
import signal
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kapi.errors import GatewayRejected, GatewayUnavailable
from kapi.gateway.envoy.process.process import RUNTIME
from kapi.gateway.envoy.reasons import sentence
from kapi.gateway.envoy.resources.listener import router
from kapi.gateway.envoy.resources.names import IDENTITY, typed
from kapi.gateway.envoy.resources.routes.claim_headers import claim_headers_filter
from kapi.gateway.envoy.resources.tokens.api_keys import credentials_filter
from kapi.gateway.envoy.resources.tokens.claims import claims_filter
from kapi.gateway.envoy.resources.tokens.deny_list import empty_deny_list
from kapi.gateway.envoy.resources.tokens.jwt import TokenCache, jwt_filter
from kapi.gateway.envoy.resources.tokens.token_checks import token_checks
from kapi.policies import HttpFilter, http_filters
from kapi.policies.contract import PLACEHOLDER

_ADS: dict[str, Any] = {
    "api_type": "DELTA_GRPC",
    "transport_api_version": "V3",
    "grpc_services": [{"envoy_grpc": {"cluster_name": IDENTITY}}],
}


class EnvoyCheck:
    """Validates with one binary, a few at a time."""

    def __init__(
        self,
        binary: Path,
        *,
        at_once: int = 2,
        processor_seconds: int = 10,
        timeout: float = 60.0,
    ) -> None:
        """`timeout` are the seconds of a machine with other work; only Linux limits the former."""
        self._binary = binary
        self._free = threading.BoundedSemaphore(at_once)
        self._processor_seconds = processor_seconds
        self._timeout = timeout

    def __call__(
        self, clusters: Sequence[dict[str, Any]], scopes: Sequence[dict[str, Any]]
    ) -> None:
        """Raise GatewayRejected with Envoy's sentence if it refuses any of these."""
        with (
            self._free,
            tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file,
        ):
            json.dump(static_bootstrap(clusters, scopes), file)
            file.flush()
            command = [
                str(self._binary),
                "--mode",
                "validate",
                "-c",
                file.name,
                "--log-level",
                "error",
                "--disable-hot-restart",
            ]
            try:
                status, output = self._run(command)
            except subprocess.TimeoutExpired as error:
                raise _unfinished(self._timeout) from error
            except OSError as error:
                raise GatewayUnavailable(
                    f"Envoy could not check the configuration: {type(error).__name__}."
                ) from error
        if status == -signal.SIGXCPU:
            raise _unfinished(self._processor_seconds)
        if status != 0:
            raise GatewayRejected(sentence(output.decode("utf-8", "replace")))

    def _run(self, command: list[str]) -> tuple[int, bytes]:
        """The exit status of Envoy and what it wrote. Raises OSError and TimeoutExpired."""
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            _limit_processor_time(process.pid, self._processor_seconds)
            try:
                out, errors = process.communicate(timeout=self._timeout)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        return process.returncode, errors or out


def _limit_processor_time(pid: int, seconds: int) -> None:
    """Let a process end by SIGXCPU, and if it ignores that, by SIGKILL."""
    prlimit = getattr(resource, "prlimit", None)
    if prlimit is None:
        return
    with contextlib.suppress(ProcessLookupError):
        prlimit(pid, resource.RLIMIT_CPU, (seconds, seconds + 5))


def _unfinished(seconds: float) -> GatewayUnavailable:
    what = f"Envoy did not finish checking the configuration within {seconds:.0f} s"
    return GatewayUnavailable(f"{what}; a module of the API may not end.")


def static_bootstrap(
    clusters: Sequence[dict[str, Any]], scopes: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """The resources as a static configuration, with a listener for each scope."""
    filters = _filters()
    return {
        # Filters name secrets of a stream; nothing connects to it.
        "node": {"id": "check", "cluster": "check"},
        "dynamic_resources": {"ads_config": _ADS},
        "layered_runtime": RUNTIME,
        "static_resources": {
            "listeners": [_listener(scope, filters) for scope in scopes],
            "clusters": [*clusters, {"name": IDENTITY}],
        },
    }


def _filters() -> list[dict[str, Any]]:
    """The filters of the edge, without issuers."""
    discovered = {
        item["name"]: item
        for item in (
            jwt_filter((), TokenCache(1, 1, 1)),
            claim_headers_filter(()),
            claims_filter(()),
            token_checks((), ("check",)),
            credentials_filter(),
            empty_deny_list(),
        )
    }
    filters = [
        discovered[item.name] if item.discovered else _static_filter(item)
        for item in http_filters()
    ]
    return [*filters, router()]


def _static_filter(item: HttpFilter) -> dict[str, Any]:
    config = PLACEHOLDER
    if not item.on_demand:
        config = dict(item.config)
    return {"name": item.name, "typed_config": config, "disabled": item.disabled}


def _listener(scope: dict[str, Any], filters: list[dict[str, Any]]) -> dict[str, Any]:
    manager = _manager(scope["route_configuration"], filters)
    return {
        "name": scope["name"],
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }


def _manager(routes: dict[str, Any], filters: list[dict[str, Any]]) -> dict[str, Any]:
    return typed(
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix="check",
        # A scope may also name our own clusters, which are not here.
        route_config={**routes, "validate_clusters": False},
        http_filters=filters,
    )
