"""Signals to the platform of a data directory, and its end: `kapi down`, an ephemeral one."""

from __future__ import annotations

import os
import signal
import time

from kapi.errors import KapiError
from kapi.run_files import lock_holder
from kapi.settings import Settings


def stop(settings: Settings) -> bool:
    """Stop it, after the requests under way; whether one ran. Raises KapiError."""
    if lock_holder(settings.data_dir) is None:
        return False
    deadline = time.monotonic() + settings.gateway.drain_seconds + 10
    asked = 0
    while time.monotonic() < deadline:
        holder = lock_holder(settings.data_dir)
        if holder is None:
            return True
        if (
            holder and holder != asked
        ):  # 0: it is starting, and has not said its process id yet
            send(settings, holder, signal.SIGTERM)
            asked = holder
        time.sleep(0.02)
    raise KapiError(
        "stop",
        f"process {asked or 'unknown'} does not stop",
        hint=f"See the logs in {settings.data_dir / 'logs'}.",
    )


def send(settings: Settings, holder: int, number: signal.Signals) -> None:
    """Send a signal to the process that holds the lock, not to a later one with its id."""
    if not hasattr(os, "pidfd_open"):  # not Linux
        os.kill(holder, number)
        return
    try:
        process = os.pidfd_open(holder)
    except ProcessLookupError:
        return
    try:
        if lock_holder(settings.data_dir) == holder:
            signal.pidfd_send_signal(process, number)
    except ProcessLookupError:
        return
    finally:
        os.close(process)
