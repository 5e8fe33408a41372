"""Lua as Envoy runs it: a script is loaded while a configuration is checked."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from kapi.gateway.envoy.process.process import find_envoy


def said_by(source: str, folder: Path) -> str:
    """What Envoy says about a script; it repeats an error that the script raises."""
    extensions = "type.googleapis.com/envoy.extensions.filters."
    filters = [
        {
            "name": "lua",
            "typed_config": {
                "@type": f"{extensions}http.lua.v3.Lua",
                "default_source_code": {"inline_string": source},
            },
        },
        {
            "name": "router",
            "typed_config": {"@type": f"{extensions}http.router.v3.Router"},
        },
    ]
    manager = {
        "@type": f"{extensions}network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "test", "route_config": {}, "http_filters": filters,
    }  # fmt: skip
    listener = {
        "name": "test",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }
    file = folder / "envoy.json"
    file.write_text(json.dumps({"static_resources": {"listeners": [listener]}}))
    command = [
        str(find_envoy("")),
        "--mode",
        "validate",
        "-c",
        str(file),
        "--log-level",
        "error",
    ]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False
    ).stderr
