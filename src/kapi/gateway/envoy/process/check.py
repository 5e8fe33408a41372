"""Asks Envoy whether it accepts a configuration: `envoy --mode validate`, about 70 ms.

Called by the deployer before anything is published, because a rejected scope damages those in the
same message.
"""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kapi.errors import GatewayRejected, GatewayUnavailable
from kapi.gateway.envoy.process.process import RUNTIME
from kapi.gateway.envoy.resources.listener import router
from kapi.gateway.envoy.resources.names import typed
from kapi.gateway.envoy.resources.routes.claim_headers import claim_headers_filter
from kapi.gateway.envoy.resources.tokens.api_keys import credentials_filter
from kapi.gateway.envoy.resources.tokens.claims import claims_filter
from kapi.gateway.envoy.resources.tokens.deny_list import empty_deny_list
from kapi.gateway.envoy.resources.tokens.jwt import TokenCache, jwt_filter
from kapi.gateway.envoy.resources.tokens.token_checks import token_checks
from kapi.policies import HttpFilter, http_filters
from kapi.policies.contract import PLACEHOLDER

_PREFIXES = re.compile(r"^(?:\[[^\]]*\]\s*)+")
_INTRODUCTION = re.compile(r"^error initializing configuration '[^']*': *")
_DUMP = re.compile(r": \{\"static_resources\".*$", re.DOTALL)
_LONGEST = 600


class EnvoyCheck:
    """Validates with one binary, a few at a time."""

    def __init__(self, binary: Path, *, at_once: int = 2, timeout: float = 10.0) -> None:
        self._binary = binary
        self._free = threading.BoundedSemaphore(at_once)
        self._timeout = timeout

    def __call__(
        self, clusters: Sequence[dict[str, Any]], scopes: Sequence[dict[str, Any]]
    ) -> None:
        """Raise GatewayRejected with Envoy's sentence if it refuses any of these."""
        with self._free, tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
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
                done = subprocess.run(
                    command, capture_output=True, timeout=self._timeout, check=False
                )
            except subprocess.TimeoutExpired as error:
                what = (
                    f"Envoy did not finish checking the configuration within {self._timeout:.0f} s"
                )
                raise GatewayUnavailable(f"{what}; a module of the API may not end.") from error
            except OSError as error:
                raise GatewayUnavailable(
                    f"Envoy could not check the configuration: {type(error).__name__}."
                ) from error
        if done.returncode != 0:
            raise GatewayRejected(
                sentence(
                    done.stderr.decode("utf-8", "replace") or done.stdout.decode("utf-8", "replace")
                )
            )


def static_bootstrap(
    clusters: Sequence[dict[str, Any]], scopes: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """The resources as a static configuration, with a listener for each scope."""
    filters = _filters()
    return {
        "layered_runtime": RUNTIME,
        "static_resources": {
            "listeners": [_listener(scope, filters) for scope in scopes],
            "clusters": list(clusters),
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
            token_checks((), "check"),
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


def sentence(output: str) -> str:
    """Envoy's reason in its log, without time stamps, file names and the configuration."""
    lines = [_PREFIXES.sub("", line) for line in output.splitlines()]
    # A message that fails its constraints is printed whole, over many lines, before the reason.
    text = next(
        (line.removeprefix(": ") for line in lines if line.startswith(": ")),
        next((line for line in lines if line.strip()), ""),
    )
    text = _INTRODUCTION.sub("", text).strip()
    text = _DUMP.sub("", text)
    return text[:_LONGEST] or "Envoy gave no reason."
