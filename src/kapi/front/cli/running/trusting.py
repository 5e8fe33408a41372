"""Puts the development CA into the stores of the system and of browsers, and takes it out again.

The system's own tools write to the stores. Nothing asks for more rights: a store that this person
may not write to is reported, with what to do.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import field
from hashlib import sha256
from pathlib import Path
from typing import Final, Literal

from kapi.dataclass import dataclass

Result = Literal["trusted", "removed", "failed", "absent"]

_SECONDS: Final = 60
_ANCHORS: Final = (
    ("usr/local/share/ca-certificates", "update-ca-certificates"),
    ("etc/pki/ca-trust/source/anchors", "update-ca-trust"),
    ("etc/ca-certificates/trust-source/anchors", "update-ca-trust"),
)
"""Where Debian, Fedora and Arch take authorities from, and what reads them."""
_PROFILES: Final = (
    ".pki/nssdb",
    ".mozilla/firefox/*",
    "snap/firefox/common/.mozilla/firefox/*",
    "Library/Application Support/Firefox/Profiles/*",
)
"""NSS databases: Chromium on Linux, and the profiles of Firefox."""
_DATABASE: Final = "cert9.db"
_KEYCHAIN: Final = "Library/Keychains/login.keychain-db"


def _run(command: Sequence[str]) -> str:
    """Run a program; what it complained about, empty if it succeeded."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode == 0:
        return ""
    return done.stderr.strip() or f"{command[0]} ended with {done.returncode}"


@dataclass(frozen=True, slots=True)
class Machine:
    """Where the stores are, and how programs run there."""

    root: Path = Path("/")
    home: Path = field(default_factory=Path.home)
    platform: str = sys.platform
    run: Callable[[Sequence[str]], str] = _run
    """Runs a program; returns its complaint, or an empty text."""
    which: Callable[[str], str | None] = shutil.which


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened to one store."""

    store: str
    result: Result
    detail: str = ""


def trust(
    certificate: Path, machine: Machine, *, remove: bool = False
) -> tuple[Outcome, ...]:
    """Add the CA to each store that is found, or remove it."""
    name = f"kapi-{sha256(certificate.read_bytes()).hexdigest()[:12]}"
    if machine.platform == "darwin":
        system = _keychain(certificate, machine, remove=remove)
    else:
        system = _linux(certificate, name, machine, remove=remove)
    return (
        system,
        *_browsers(certificate, name, machine, remove=remove),
    )


def _linux(certificate: Path, name: str, machine: Machine, *, remove: bool) -> Outcome:
    for folder, tool in _ANCHORS:
        anchors = machine.root / folder
        if not anchors.is_dir() or not machine.which(tool):
            continue
        file = anchors / f"{name}.crt"
        try:
            if remove:
                file.unlink(missing_ok=True)
            else:
                shutil.copyfile(certificate, file)
                file.chmod(0o644)
        except OSError as error:
            detail = f"{file}: {error.strerror}; run this command with sudo"
            return Outcome("system", "failed", detail)
        return _outcome("system", str(file), machine.run((tool,)), remove=remove)
    return Outcome(
        "system", "absent", "no folder of authorities that this command knows"
    )


def _keychain(certificate: Path, machine: Machine, *, remove: bool) -> Outcome:
    keychain = str(machine.home / _KEYCHAIN)
    command: Sequence[str] = ("security", "remove-trusted-cert", str(certificate))
    if not remove:
        options = ("-r", "trustRoot", "-k", keychain)
        command = ("security", "add-trusted-cert", *options, str(certificate))
    return _outcome("system", keychain, machine.run(command), remove=remove)


def _browsers(
    certificate: Path, name: str, machine: Machine, *, remove: bool
) -> Iterable[Outcome]:
    databases = [
        file.parent for pattern in _PROFILES for file in _found(machine.home, pattern)
    ]
    if not databases:
        yield Outcome("browsers", "absent", "no profile of Chromium or Firefox")
        return
    if not machine.which("certutil"):
        detail = "certutil is not installed; Debian: libnss3-tools, Fedora: nss-tools, macOS: nss"
        yield Outcome("browsers", "failed", detail)
        return
    for folder in databases:
        yield _in_database(certificate, name, folder, machine, remove=remove)


def _found(home: Path, pattern: str) -> list[Path]:
    return sorted(home.glob(f"{pattern}/{_DATABASE}"))


def _in_database(
    certificate: Path, name: str, folder: Path, machine: Machine, *, remove: bool
) -> Outcome:
    database = ("-d", f"sql:{folder}", "-n", name)
    present = not machine.run(("certutil", "-L", *database))
    complaint = ""
    if remove and present:
        complaint = machine.run(("certutil", "-D", *database))
    if not remove and not present:
        # "C": an authority for TLS servers, and for nothing else.
        complaint = machine.run(
            ("certutil", "-A", *database, "-t", "C,,", "-i", str(certificate))
        )
    return _outcome("browser", str(folder), complaint, remove=remove)


def _outcome(store: str, place: str, complaint: str, *, remove: bool) -> Outcome:
    if complaint:
        return Outcome(store, "failed", f"{place}: {complaint}")
    if remove:
        return Outcome(store, "removed", place)
    return Outcome(store, "trusted", place)
