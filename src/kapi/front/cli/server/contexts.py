"""Contexts: platforms by name, and which of them commands call. A file of the person, 0600.

`contexts.json` has no secret; `credentials.json` beside it has what `kapi login` got.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from kapi.dataclass import dataclass
from kapi.errors import KapiError
from kapi.run_files import write_private

_FILE: Final = "contexts.json"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Context:
    """The address and the client of one platform, as `kapi context` stores them."""

    server: str
    """The URL of the system APIs, such as https://api.example.com:9095."""
    ca: str = ""
    """A file of certificates that are trusted besides those of the system."""
    address: str = ""
    """An IP address or a name to connect to, whatever the names of the hosts resolve to."""
    issuer: str = ""
    """The provider that tokens come from; empty means the first that the platform names."""
    client: str = ""
    """The client id that `kapi login` uses."""

    @property
    def host(self) -> str:
        """The host of the system APIs."""
        return urlsplit(self.server).hostname or ""

    @property
    def port(self) -> int:
        """The port of the gateway."""
        return urlsplit(self.server).port or 443


@dataclass(frozen=True, slots=True)
class Contexts:
    """All contexts, and the name of the one in use; empty means the platform of this machine."""

    named: Mapping[str, Context]
    current: str = ""


def config_dir() -> Path:
    """Where the files are: `$XDG_CONFIG_HOME/kapi`, or `~/.config/kapi`. Raises KapiError."""
    base = os.environ.get("XDG_CONFIG_HOME")
    if base and Path(base).is_absolute():
        return Path(base) / "kapi"
    try:
        return Path.home() / ".config" / "kapi"
    except RuntimeError as error:
        raise KapiError(
            "environment",
            "there is no home directory",
            hint="Set XDG_CONFIG_HOME to a folder.",
        ) from error


def read_contexts() -> Contexts:
    """What the file says; nothing if it is absent. Raises KapiError if it is not usable."""
    value = read_file(_FILE)
    named = {}
    try:
        for name, members in value.get("contexts", {}).items():
            named[name] = _context(members)
    except (AttributeError, TypeError) as error:
        raise _unusable(
            config_dir() / _FILE, "a context has a URL as `server`"
        ) from error
    return Contexts(named, str(value.get("current", "")))


def _context(members: Mapping[str, Any]) -> Context:
    known = {item.name for item in fields(Context)}
    return Context(
        **{key: str(member) for key, member in members.items() if key in known}
    )


def write_contexts(contexts: Contexts) -> None:
    """Replace the file of contexts with these contexts."""
    named = {name: _shown(item) for name, item in sorted(contexts.named.items())}
    write_file(_FILE, {"current": contexts.current, "contexts": named})


def with_context(contexts: Contexts, name: str, context: Context) -> Contexts:
    """The contexts, with another one or another content of one. Raises KapiError for its name."""
    if not _NAME.fullmatch(name):
        raise KapiError(
            "context",
            f"{name[:64]!r} is not a name",
            hint="Use letters, digits, . _ and -.",
        )
    return replace(contexts, named={**contexts.named, name: context})


def checked(context: Context) -> Context:
    """The context. Raises KapiError if its URL or its file cannot be used."""
    parts = urlsplit(context.server)
    try:
        usable = parts.scheme == "https" and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.path not in {"", "/"} or parts.query or parts.username:
        raise KapiError(
            "context",
            f"{context.server[:200]!r} is not the URL of a platform",
            hint="Write it as https://api.example.com:9095, the host of the system APIs.",
        )
    if context.ca and not Path(context.ca).is_file():
        raise KapiError(
            "context",
            f"{context.ca} is not a file",
            hint="`kapi ca` prints the file of a platform.",
        )
    return replace(context, server=context.server.rstrip("/"))


def read_file(name: str) -> dict[str, Any]:
    """The object in one of the files; empty if it is absent. Raises KapiError."""
    path = config_dir() / name
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise _unusable(path, error) from error
    if not isinstance(value, dict):
        raise _unusable(path, "not an object")
    return value


def write_file(name: str, value: Mapping[str, Any]) -> None:
    """Replace one of the files; only its owner can read it."""
    folder = config_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(folder / name, json.dumps(value, indent=2).encode())
    except OSError as error:
        raise _unusable(folder / name, error) from error


def _unusable(path: Path, why: object) -> KapiError:
    return KapiError(
        "context", f"{path} cannot be used: {why}", hint="Mend it, or remove it."
    )


def _shown(context: Context) -> dict[str, str]:
    values = {}
    for name, value in asdict(context).items():
        if value:
            values[name] = value
    return values
