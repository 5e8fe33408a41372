"""Reads the settings, with what the inbuilt provider says about clients. Called by the command line, and by tests."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kapi.settings import Settings, reading
from kapi.settings.clients import ClientFacts


def read_settings(
    flags: Mapping[str, Any], environ: Mapping[str, str], cwd: Path, config: Path | None = None
) -> tuple[Settings, dict[str, str]]:
    """As `kapi.settings.reading.read_settings`. Raises SettingsError with every mistake."""
    return reading.read_settings(flags, environ, cwd, config, client_facts=_client_facts)


def _client_facts() -> ClientFacts:
    # Imported only when there are clients to check: the provider is most of the code.
    from kapi.identity.client_facts import client_facts

    return client_facts()
