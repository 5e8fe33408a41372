"""A certificate of the gateway that somebody else makes and renews."""

from __future__ import annotations

import dataclasses
import os
import time
from pathlib import Path

import pytest

from kapi.errors import KapiError, SettingsError
from kapi.gateway.envoy.process.tls import ensure_certificate
from kapi.identity.settings import read_settings
from kapi.settings import GatewaySettings, Settings
from on_kubernetes.cluster import certificate


def pair(folder: Path, name: str) -> tuple[Path, Path]:
    chain, key = certificate(name)
    (folder / f"{name}.crt").write_bytes(chain)
    (folder / f"{name}.key").write_bytes(key)
    return folder / f"{name}.crt", folder / f"{name}.key"


def settings_with(folder: Path, chain: Path, key: Path) -> Settings:
    gateway = GatewaySettings(certificate_file=str(chain), private_key_file=str(key))
    return dataclasses.replace(Settings(folder), gateway=gateway)


def test_the_files_are_served_and_no_authority_is_made(tmp_path: Path) -> None:
    chain, key = pair(tmp_path, "first")
    made = ensure_certificate(settings_with(tmp_path / "data", chain, key), time.time)
    assert (made.chain, made.private_key) == (chain.read_text(), key.read_text())
    assert not (tmp_path / "data").exists()


def test_files_that_cannot_be_used_are_explained(tmp_path: Path) -> None:
    chain, key = pair(tmp_path, "first")
    _, other = pair(tmp_path, "other")
    for given, text in (
        ((chain, other), "is not the key of"),
        ((tmp_path / "none", key), "No such file"),
        ((key, chain), "no certificate for the gateway"),
    ):
        with pytest.raises(KapiError, match=text):
            ensure_certificate(settings_with(tmp_path, *given), time.time)


def test_one_of_the_two_files_alone_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="go together"):
        read_settings({"gateway.certificate_file": "x"}, os.environ, tmp_path, None)
