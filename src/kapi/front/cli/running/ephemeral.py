"""`kapi up --ephemeral`: a platform for one test run, of scripts in any language.

Its data directory is its own and is deleted at the end. One line of JSON on standard output says
where everything is. It ends by a signal, or when the process that started it has ended.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
import time
from pathlib import Path
from typing import Any

from kapi.errors import KapiError
from kapi.front.cli.output import put
from kapi.front.cli.running.starting import checked_settings, given, start
from kapi.front.cli.running.stopping import stop
from kapi.run_files import lock_holder
from kapi.settings import Settings


class _Asked(Exception):
    """A signal to end."""


def run_ephemeral(config: Path | None, flags: dict[str, Any]) -> None:
    """Run until a signal. Raises KapiError if the platform does not start, or ends by itself."""
    parent = os.getppid()
    folder = Path(tempfile.mkdtemp(prefix="kapi-ephemeral-"))
    text = given(folder / "data", config, flags)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _ask)
    try:
        settings = checked_settings(text)
        start(text, detach=True)
        put(json.dumps(line_of(settings)))
        _flush()
        _wait(settings, parent)
    except _Asked:
        pass
    finally:
        stop(checked_settings(text))
        shutil.rmtree(folder, ignore_errors=True)


def line_of(settings: Settings) -> dict[str, Any]:
    """What a script needs: addresses by name, where to connect, the CA, a client."""
    gateway, identity = settings.gateway, settings.identity
    made: dict[str, Any] = {
        "ready": True,
        "connect": f"127.0.0.1:{gateway.port}",
        "port": gateway.port,
        "ca": str(settings.data_dir / "tls" / "ca.pem"),
        "data_dir": str(settings.data_dir),
        "api": gateway.origin(gateway.api_host),
        "gateway": gateway.origin(f"default.{gateway.domain}"),
    }
    if not identity.enabled:
        return made
    made |= {"provider": gateway.origin(identity.host), "issuer": identity.issuer}
    if identity.testing:
        made["control"] = f"{made['provider']}/testing"
    for client in identity.clients[:1]:
        made |= {"client_id": client.id, "client_secret": client.secret}
    return made


def _ask(_number: int, _frame: object) -> None:
    raise _Asked


def _flush() -> None:
    import sys

    sys.stdout.flush()


def _wait(settings: Settings, parent: int) -> None:
    while os.getppid() == parent:
        if lock_holder(settings.data_dir) is None:
            logs = settings.data_dir / "logs"
            raise KapiError(
                "start", "the platform ended", hint=f"See the logs in {logs}."
            )
        time.sleep(0.2)
