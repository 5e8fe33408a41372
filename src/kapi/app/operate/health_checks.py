"""The checks of `/readyz`. What they say may be read by anybody: no paths, no addresses."""

from __future__ import annotations

import datetime as dt
import os
import shutil
from functools import partial
from pathlib import Path

from kapi.app.control_parts import Control
from kapi.front.web.operate.health import Check, Checks
from kapi.gateway.envoy.process.process import answers, ready
from kapi.run_files import admin_socket, identity_socket
from kapi.settings import Settings

LEAST_FREE = 64 * 1024**2
"""Bytes that must be free for the data directory."""


def health_checks(control: Control) -> Checks:
    """All checks of the platform, in the order in which they are shown."""
    settings = control.settings
    found = [
        # A node that is cut off from its database serves what it knows.
        Check("store", partial(_store, control), required=not control.store.database.has_nodes),
        Check("keys", partial(_keys, control)),
        Check("gateway", partial(_gateway, control)),
        Check("configuration", partial(_configuration, control)),
        Check("disk", partial(disk, settings.data_dir)),
    ]
    if settings.identity.enabled:
        found.append(Check("provider", partial(_provider, settings)))
    return Checks(found)


def _store(control: Control) -> str:
    lost_at = control.watch.lost_at
    if lost_at is not None:
        moment = dt.datetime.fromtimestamp(int(lost_at), dt.UTC).isoformat()
        return f"the database has not answered since {moment}; what is known is served"
    control.store.database.version("health")
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
