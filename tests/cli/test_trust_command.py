"""`kapi trust`: the stores of the system and of browsers, on machines made of folders."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

import commands
from kapi.front.cli.running.trusting import Machine, trust

ANCHORS = ["usr/local/share/ca-certificates", "etc/pki/ca-trust/source/anchors"]


class Programs:
    """Programs that write down how they were run; `certutil` knows the names it was given."""

    def __init__(self, complaint: str = "") -> None:
        self.complaint = complaint
        self.commands: list[tuple[str, ...]] = []
        self.names: set[tuple[str, str]] = set()

    def __call__(self, command: Sequence[str]) -> str:
        self.commands.append(tuple(command))
        if command[0] != "certutil" or self.complaint:
            return self.complaint
        entry = (command[3], command[5])
        if command[1] == "-L":
            return "" if entry in self.names else "could not find certificate"
        (self.names.add if command[1] == "-A" else self.names.discard)(entry)
        return ""


def machine(place: Path, programs: Programs, platform: str = "linux") -> Machine:
    return Machine(
        place, place / "home", platform, programs, lambda name: f"/usr/bin/{name}"
    )


@pytest.fixture
def ca(tmp_path: Path) -> Path:
    file = tmp_path / "ca.pem"
    file.write_text("-----BEGIN CERTIFICATE-----\n")
    return file


@pytest.mark.parametrize("folder", ANCHORS)
def test_the_system_reads_the_ca_and_forgets_it(
    tmp_path: Path, ca: Path, folder: str
) -> None:
    (tmp_path / folder).mkdir(parents=True)
    programs = Programs()
    trust(ca, machine(tmp_path, programs))
    (file,) = (tmp_path / folder).iterdir()
    assert file.read_text() == ca.read_text()
    assert file.suffix == ".crt"
    outcomes = trust(ca, machine(tmp_path, programs), remove=True)
    assert [item.result for item in outcomes] == ["removed", "absent"]
    assert list((tmp_path / folder).iterdir()) == []
    assert len(programs.commands) == 2
    assert len(set(programs.commands)) == 1


def test_each_browser_profile_gets_it_once_for_tls_servers(
    tmp_path: Path, ca: Path
) -> None:
    for profile in (".pki/nssdb", ".mozilla/firefox/abc.default"):
        (tmp_path / "home" / profile).mkdir(parents=True)
        (tmp_path / "home" / profile / "cert9.db").touch()
    programs = Programs()
    for _ in range(2):
        outcomes = trust(ca, machine(tmp_path, programs))
    assert [item.result for item in outcomes] == ["absent", "trusted", "trusted"]
    added = [command for command in programs.commands if command[1] == "-A"]
    assert len(added) == 2
    assert all("C,," in command for command in added)
    trust(ca, machine(tmp_path, programs), remove=True)
    assert programs.names == set()


def test_the_keychain_of_macos(tmp_path: Path, ca: Path) -> None:
    programs = Programs()
    outcomes = trust(ca, machine(tmp_path, programs, "darwin"))
    assert outcomes[0].result == "trusted"
    assert programs.commands[0][:2] == ("security", "add-trusted-cert")


def test_a_tool_that_fails_is_quoted(tmp_path: Path, ca: Path) -> None:
    (tmp_path / ANCHORS[0]).mkdir(parents=True)
    outcome = trust(ca, machine(tmp_path, Programs("no space")))[0]
    assert outcome.result == "failed"
    assert "no space" in outcome.detail


def test_a_missing_certutil_is_named_with_its_package(tmp_path: Path, ca: Path) -> None:
    (tmp_path / "home/.pki/nssdb").mkdir(parents=True)
    (tmp_path / "home/.pki/nssdb/cert9.db").touch()
    bare = Machine(tmp_path, tmp_path / "home", "linux", Programs(), lambda _: None)
    outcomes = trust(ca, bare)
    assert outcomes[1].result == "failed"
    assert "libnss3-tools" in outcomes[1].detail


def test_without_a_ca_the_first_start_is_named(tmp_path: Path) -> None:
    done = commands.run(
        ("trust",), {**os.environ, "KAPI_DATA_DIR": str(tmp_path / "none")}
    )
    assert done.returncode == 7
    assert "kapi up" in done.stderr


def test_the_version_is_an_option_too() -> None:
    done = commands.run(("--version",), dict(os.environ))
    version = json.loads(
        commands.run(("version", "-o", "json"), dict(os.environ)).stdout
    )["kapi"]
    assert done.stdout == f"kapi {version}\n"
