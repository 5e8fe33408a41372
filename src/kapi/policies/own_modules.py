"""kapi's own WebAssembly modules as filters of Envoy. Their sources are in `wasm`."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def built(name: str) -> str:
    """The file of a module; its name is that of the module."""
    return str(Path(__file__).with_name(f"{name}.wasm"))


def module_filter(name: str, vm: str, module: str, told: str = "") -> dict[str, Any]:
    """A filter that a module is. Filters with the same `vm` share data.

    `told` is what the module is told when the filter starts.
    """
    config: dict[str, Any] = {"name": name}
    if told:
        config["configuration"] = {
            "@type": "type.googleapis.com/google.protobuf.StringValue",
            "value": told,
        }
    config |= {
        # A module that trapped is started again; until then its routes answer 503.
        "failure_policy": "FAIL_RELOAD",
        "allow_on_headers_stop_iteration": True,
        "vm_config": {
            "vm_id": vm,
            "runtime": "envoy.wasm.runtime.v8",
            "code": {"local": {"filename": module}},
        },
    }
    return {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
        "config": config,
    }
