"""All metrics of the platform: each source in a function, and their list."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from functools import partial
from typing import Final

from kapi import __version__
from kapi.app.control_parts import Control, kept_counters
from kapi.app.operate.followed_calls import followed_calls
from kapi.app.operate.processes import process_figures
from kapi.figures import Family, counter, gauge
from kapi.front.web.operate.health import Checks
from kapi.front.web.operate.metrics import Source
from kapi.gateway.envoy.process.figures import envoy_figures
from kapi.gateway.envoy.process.process import admin
from kapi.identity.figures import PATH, ProviderFigures
from kapi.identity.issuers.figures import issuer_figures
from kapi.policies.admission import TOTALS
from kapi.run_files import admin_socket, identity_socket
from kapi.settings import Settings
from kapi.store.gateway.counters import Counters

_TOKENS: Final = {"p": "prompt", "c": "completion"}


def sources(control: Control, checks: Checks) -> list[Source]:
    """Where the metrics come from, in the order in which they are shown."""
    settings = control.settings
    return [
        lambda: _platform(control, checks),
        lambda: [control.deployments.family()],
        *followed_calls(settings, control.calls),
        partial(envoy_figures, admin_socket(settings)),
        partial(provider_figures, settings),
        partial(issuer_figures, control.trust, time.time),
        partial(process_figures, settings),
        lambda: [_ai_tokens(kept_counters(settings, control.store.database))],
    ]


def _platform(control: Control, checks: Checks) -> Iterator[Family]:
    yield gauge("kapi_build_info", "Version of kapi.", [({"version": __version__}, 1)])
    passed = [
        ({"check": item.name}, float(not item.fault)) for item in checks.results()
    ]
    yield gauge("kapi_health_check", "1 if a check of /readyz passes.", passed)
    yield gauge("kapi_apis", "Deployed APIs.", [({}, len(control.deployer.deployed))])


def provider_figures(settings: Settings) -> Iterator[Family]:
    """The counts of all workers together; those of a worker that does not answer are left out."""
    if not settings.identity.enabled:
        return
    figures = ProviderFigures()
    for number in range(settings.identity.workers):
        try:
            _, body = admin(identity_socket(settings, number), "GET", PATH)
            figures.add(json.loads(body))
        except (OSError, ValueError, TypeError):
            continue
    yield from figures.families()


def _ai_tokens(counters: Counters) -> Family:
    """By API and kind. They begin again each day, which a scraper takes for a restart."""
    now = int(time.time())
    samples: list[tuple[dict[str, str], float]] = []
    for item in counters.all():
        if item.name.startswith(TOTALS) and item.slot == now // item.unit:
            api, _, kind = item.name.removeprefix(TOTALS).rpartition("/")
            samples.append(({"api": api, "kind": _TOKENS[kind]}, item.used))
    text = "Tokens that the AI backends of an API took on this day (UTC)."
    return counter("kapi_ai_tokens_total", text, samples)
