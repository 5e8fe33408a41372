"""The health of the platform on this machine, asked on the socket of the control process."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kapi.settings import Settings

_SECONDS = 5.0


def checks_of(settings: Settings) -> list[dict[str, Any]]:
    """The checks of `/readyz`: `name`, `ok`, `required`, `fault`. Works without the gateway."""
    from kapi.gateway.envoy.process.process import admin
    from kapi.run_files import control_socket

    wanted = {"Accept": "application/json"}
    try:
        _, body = admin(control_socket(settings), "GET", "/readyz", _SECONDS, wanted)
        checks: list[dict[str, Any]] = json.loads(body)["checks"]
    except (OSError, ValueError, KeyError):
        fault = "the control process does not answer"
        return [{"name": "control", "ok": False, "required": True, "fault": fault}]
    return checks
