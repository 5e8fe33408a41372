"""Lets a running platform take up changed settings: `kapi reload`."""

from __future__ import annotations

import signal
import time
from typing import Any, Final

from kapi.errors import Diagnostic, KapiError, SettingsError
from kapi.front.cli.running.stopping import send
from kapi.gateway.envoy.process.process import answers
from kapi.run_files import (
    control_socket,
    identity_socket,
    limits_socket,
    lock_holder,
    read_reload,
    read_state,
)
from kapi.settings import Settings

_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.05


def reload(settings: Settings) -> dict[str, Any]:
    """What was taken up (`taken_up`), and what needs a restart (`left`).

    Returns when the restarted processes answer. Raises KapiError: with all mistakes of the
    settings, or if nothing runs.
    """
    begun = time.time()
    holder = lock_holder(settings.data_dir)
    if not holder:
        raise KapiError(
            "not-running",
            f"nothing runs in {settings.data_dir}",
            hint="Start it with `kapi up`.",
        )
    deadline = time.monotonic() + _SECONDS
    send(settings, holder, signal.SIGHUP)
    while time.monotonic() < deadline:
        answer = read_reload(settings)
        if answer.get("begun", 0.0) >= begun:
            _refuse(answer.get("error"))
            _await(settings, answer["pids"], deadline)
            return answer
        time.sleep(_POLL_SECONDS)
    raise _late(settings)


def _refuse(error: dict[str, Any] | None) -> None:
    """Raise the error that the platform found, if there is one."""
    if error is None:
        return
    mistakes = []
    for item in error.get("diagnostics", ()):
        place = {
            name: item[name]
            for name in ("message", "hint", "pointer", "line", "column")
        }
        severity, source = item["severity"], item["file"]
        mistakes.append(
            Diagnostic(item["code"], severity=severity, source=source, **place)
        )
    if mistakes:
        raise SettingsError(tuple(mistakes))
    raise KapiError(
        error["code"],
        error["message"],
        error.get("detail", ""),
        " ".join(error.get("hints", ())),
    )


def _await(settings: Settings, pids: dict[str, int], deadline: float) -> None:
    """Return when each of these processes has a successor that answers."""
    left = dict(pids)
    while left:
        state = read_state(settings.data_dir) or {"children": {}}
        for name, before in list(left.items()):
            pid = state["children"].get(name, {}).get("pid")
            if pid not in (before, None) and _answers(settings, name):
                del left[name]
        if left and time.monotonic() > deadline:
            raise _late(settings)
        time.sleep(_POLL_SECONDS)


def _answers(settings: Settings, name: str) -> bool:
    if name == "control":
        return answers(control_socket(settings), "/ready")
    if name == "limits":
        return answers(limits_socket(settings), "/health")
    return answers(identity_socket(settings, int(name.rpartition("-")[2])), "/health")


def _late(settings: Settings) -> KapiError:
    return KapiError(
        "reload",
        f"the platform has not taken up the settings in {_SECONDS:.0f} s",
        hint=f"See the logs in {settings.data_dir / 'logs'}.",
    )
