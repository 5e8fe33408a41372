"""Reads the settings, with what the inbuilt provider states about clients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from kapi.settings import ClientSettings, Settings, reading
from kapi.settings.checks import Mistake, OuterCheck
from kapi.settings.identity import client_checks


def read_settings(
    flags: Mapping[str, Any],
    environ: Mapping[str, str],
    cwd: Path,
    config: Path | None = None,
) -> Settings:
    """As `kapi.settings.reading.read_settings`. Raises SettingsError with every mistake."""
    checks = {"identity.clients": OuterCheck(_unknown_names, _clients_mistakes)}
    return reading.read_settings(flags, environ, cwd, config, outer_checks=checks)


def _unknown_names(clients: Any) -> Iterator[Mistake]:
    return client_checks.unknown_names(clients, _client_facts())


def _clients_mistakes(clients: tuple[ClientSettings, ...]) -> Iterator[Mistake]:
    return client_checks.clients_mistakes(clients, _client_facts())


def _client_facts() -> client_checks.ClientFacts:
    # Imported only when there are clients to check: the provider is most of the code.
    from kapi.identity.client_facts import client_facts

    return client_facts()
