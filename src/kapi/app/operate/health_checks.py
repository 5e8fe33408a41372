"""The checks of `/readyz`. What they say may be read by anybody: no paths, no addresses."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from kapi.app.control_parts import Control
from kapi.errors import StorageError
from kapi.front.web.operate.health import Check, Checks
from kapi.gateway.envoy.process.process import answers, ready
from kapi.run_files import admin_socket, identity_socket, limits_socket
from kapi.settings import Settings
from kapi.store.nodes import Nodes

TOLERATED_SECONDS = 5
"""Seconds by which the clocks of nodes may differ (`clock_skew` of the inbuilt issuer)."""
LEAST_FREE = 64 * 1024**2
"""Bytes that must be free for the data directory."""


def health_checks(control: Control) -> Checks:
    """All checks of the platform, in the order in which they are shown."""
    settings = control.settings
    found = [
        # A node that is cut off from its database serves what it knows.
        Check(
            "store",
            partial(_store, control),
            required=not control.store.database.has_nodes,
        ),
        Check("keys", partial(_keys, control)),
        Check("gateway", partial(_gateway, control)),
        Check("configuration", partial(_configuration, control)),
        Check("disk", partial(disk, settings.data_dir)),
    ]
    if settings.identity.enabled:
        found.append(Check("provider", partial(_provider, settings)))
    if control.store.database.has_nodes:
        clock = partial(clock_fault, Nodes(control.store.database).now, time.time)
        # All nodes would fail it if the clock of the database is the wrong one.
        found.append(Check("clock", clock, required=False))
    if settings.limits.redis:
        found.append(Check("limits", partial(_limits, settings), required=False))
    return Checks(found)


def _store(control: Control) -> str:
    lost_at = control.watch.lost_at
    if lost_at is not None:
        moment = dt.datetime.fromtimestamp(int(lost_at), dt.UTC).isoformat()
        return f"the database has not answered since {moment}; what is known is served"
    try:
        control.store.database.version("health")
    except StorageError as error:
        return f"the database does not answer: {error.title}"
    return ""


def _keys(control: Control) -> str:
    """Without a usable key of any issuer, no token can be verified."""
    trust = control.trust
    known = control.settings.identity.enabled or trust.followed()
    return "no issuer has a usable key" if known and not trust.issuers() else ""


def _gateway(control: Control) -> str:
    if not control.is_connected():
        return "Envoy is not connected"
    if not ready(admin_socket(control.settings)):
        return "Envoy does not say that it is ready"
    return ""


def _configuration(control: Control) -> str:
    status = control.publisher.status()
    if not status.live:
        return "Envoy has not confirmed the configuration yet"
    if not control.counters.ready:
        return "Envoy does not have the rate limit counters and the consumers yet"
    return ""


def _limits(settings: Settings) -> str:
    if answers(limits_socket(settings), "/redis", 1.0):
        return ""
    return f"Redis does not answer; limits.away = {settings.limits.away} holds"


def clock_fault(of_database: Callable[[], int], own: Callable[[], float]) -> str:
    """Whether tokens of other nodes are refused because the clocks differ."""
    apart = own() - of_database()
    # The time of the database is in whole seconds.
    if -TOLERATED_SECONDS <= apart <= TOLERATED_SECONDS + 1:
        return ""
    which = "late" if apart < 0 else "early"
    seconds = round(abs(apart))
    return f"the clock of this node is {seconds} s {which}, compared with that of the database"


def disk(folder: Path, least: int = LEAST_FREE) -> str:
    """What is wrong with the file system of a folder."""
    if not os.access(folder, os.W_OK):
        return "the data directory cannot be written to"
    free = shutil.disk_usage(folder).free
    if free < least:
        return f"less than {least >> 20} MiB are free for the data directory"
    return ""


def _provider(settings: Settings) -> str:
    workers = settings.identity.workers
    silent = [
        number
        for number in range(workers)
        if not answers(identity_socket(settings, number), "/health", 1.0)
    ]
    if not silent:
        return ""
    return f"{len(silent)} of {workers} processes of the inbuilt provider do not answer"
