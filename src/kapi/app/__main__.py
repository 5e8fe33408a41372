"""A Python child: `control`, `limits` or `identity-N`.

It is forked by the supervisor, or is `python -m kapi.app NAME RUN_SETTINGS FD` (macOS, benchmarks).
"""

from __future__ import annotations

import json
import logging
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from kapi.errors import KapiError
from kapi.log_files import reopen_output
from kapi.run_files import log_path
from kapi.settings import Settings, from_json_value


def _stop(*_: object) -> None:
    # A second signal would interrupt the end of the threads.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise SystemExit(0)


def main(argv: Sequence[str]) -> int:
    """Run one child process. Its listening socket is an open descriptor of the supervisor."""
    name, settings_file, descriptor = argv
    signal.signal(signal.SIGTERM, _stop)
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    settings = from_json_value(json.loads(Path(settings_file).read_text("utf-8")))
    log = log_path(settings, name)
    signal.signal(signal.SIGHUP, lambda *_: reopen_output(log))
    listener = socket.socket(fileno=int(descriptor))
    try:
        _run(name, settings, listener)
    except KapiError as error:
        logging.getLogger("kapi").critical(
            "%s: %s %s", error.title, error.detail, error.hint
        )
        return 7
    return 0


def _run(name: str, settings: Settings, listener: socket.socket) -> None:
    # A child imports its own half only.
    if name == "control":
        from kapi.app.control import run_control

        run_control(settings, listener)
    elif name == "limits":
        from kapi.app.limits import run_limits

        run_limits(settings, listener)
    else:
        from kapi.app.identity import run_identity

        run_identity(settings, listener)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
