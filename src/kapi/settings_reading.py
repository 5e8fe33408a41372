"""Reads the settings: defaults, then kapi.toml, then KAPI_… variables, then flags; every mistake at once.

A small reader over the dataclasses of `settings.py`: it knows text, whole numbers, switches, lists and tables of text,
and lists of clients. Used by the command line only; the processes get the checked result.
"""

from __future__ import annotations

import dataclasses
import difflib
import ipaddress
import os
import re
import sys
import tomllib
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from kapi.errors import Diagnostic, SettingsError
from kapi.settings import (
    WELL_KNOWN_CLIENT_SECRET,
    ApisSettings,
    ClientSettings,
    GatewaySettings,
    IdentitySettings,
    Settings,
    client_of,
)

SECTIONS: dict[str, type] = {"identity": IdentitySettings, "gateway": GatewaySettings, "apis": ApisSettings}
_PREFIX = "KAPI_"
_NOT_SETTINGS = frozenset({"KAPI_CONFIG", "KAPI_TOKEN", "KAPI_CLIENT_SECRET"})
_RANGES = {
    "gateway.port": (1, 65535),
    "gateway.concurrency": (0, 256),
    "gateway.token_cache_size": (1, 10_000_000),
    "gateway.drain_seconds": (0, 3600),
    "gateway.max_heap_bytes": (64 * 1024**2, 1024**4),
    "gateway.max_connections": (1, 10_000_000),
    "identity.workers": (1, 64),
    "identity.token_lifetime": (1, 365 * 24 * 3600),
    "apis.max_conf_bytes": (1024, 1024**3),
    "apis.max_definition_bytes": (1024, 1024**3),
    "apis.fetch_timeout": (1, 600),
}
_HOST = re.compile(r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*")
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_GRANTS = ("client_credentials", "authorization_code", "refresh_token")


def default_data_dir(environ: Mapping[str, str]) -> Path:
    """Below the user's data home (XDG Base Directory)."""
    home = Path(environ.get("HOME") or Path.home())
    if environ.get("XDG_DATA_HOME"):
        return Path(environ["XDG_DATA_HOME"]) / "kapi"
    return home / ("Library/Application Support" if sys.platform == "darwin" else ".local/share") / "kapi"


def read_settings(
    flags: Mapping[str, Any], environ: Mapping[str, str], cwd: Path, config: Path | None = None
) -> tuple[Settings, dict[str, str]]:
    """The settings and where each value came from, by dotted name.

    `flags` holds dotted names and values; None means not given. Raises SettingsError with every mistake.
    """
    reader = _Reader()
    file = config or (Path(environ["KAPI_CONFIG"]) if environ.get("KAPI_CONFIG") else _found_upward(cwd))
    if file is not None:
        reader.read_file(file)
    for name, text in environ.items():
        if name.startswith(_PREFIX) and name not in _NOT_SETTINGS:
            reader.put_text(name.removeprefix(_PREFIX).lower().replace("__", "."), text, name)
    for name, value in flags.items():
        if value is not None:
            reader.put(name, value, f"--{name.rpartition('.')[2].replace('_', '-')}")
    settings = reader.build(default_data_dir(environ), cwd)
    return settings, reader.sources


def check_non_production(settings: Settings) -> None:
    """Raise SettingsError when the well-known client would be reachable from the network without a word of consent."""
    known = any(client.secret == WELL_KNOWN_CLIENT_SECRET for client in settings.identity.clients)
    if known and not is_loopback(settings.gateway.listen) and not settings.identity.non_production_on_network:
        raise SettingsError((
            Diagnostic(
                "settings",
                f"the well-known, published client would be reachable on {settings.gateway.listen}",
                "Set [[identity.clients]] of your own in kapi.toml, or say --non-production-on-network if it is meant.",
                pointer="identity.clients",
            ),
        ))  # fmt: skip


def is_loopback(address: str) -> bool:
    """Whether only this machine can reach the address."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def _found_upward(cwd: Path) -> Path | None:
    return next((path for folder in (cwd, *cwd.parents) if (path := folder / "kapi.toml").is_file()), None)


class _Reader:
    """Collects values by dotted name, and the mistakes."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.sources: dict[str, str] = {}
        self.mistakes: list[Diagnostic] = []

    def wrong(self, name: str, message: str, hint: str = "") -> None:
        self.mistakes.append(
            Diagnostic("settings", f"{name}: {message}" if name else message, hint or "docs/settings.md lists all settings.", pointer=name)
        )

    def read_file(self, path: Path) -> None:
        try:
            content = tomllib.loads(path.read_text("utf-8"))
        except OSError as error:
            self.wrong("", f"cannot read {path}: {error.strerror}", "Name a readable file: --config PATH.")
            return
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            self.wrong("", f"{path} is not TOML: {error}", "Mend that line; see docs/settings.md for an example.")
            return
        for name, value in content.items():
            if name in SECTIONS and isinstance(value, dict):
                for key, item in value.items():
                    self.put(f"{name}.{key}", _relative_to(path.parent, item), path.name)
            else:
                self.put(name, value, path.name)

    def put_text(self, name: str, text: str, source: str) -> None:
        kind = _kind(name)
        value: Any = text
        if kind is int and re.fullmatch(r"-?\d+", text):
            value = int(text)
        elif kind is bool and text.lower() in {"true", "false", "1", "0", "yes", "no"}:
            value = text.lower() in {"true", "1", "yes"}
        self.put(name, value, source)

    def put(self, name: str, value: Any, source: str) -> None:
        kind = _kind(name)
        if kind is None:
            close = difflib.get_close_matches(name, _all_names(), 1)
            self.wrong(name, f"unknown setting (from {source})", f"Did you mean {close[0]}?" if close else "")
        elif (checked := self._checked(name, kind, value, source)) is not None:
            self.values[name] = checked
            self.sources[name] = source

    def _checked(self, name: str, kind: Any, value: Any, source: str) -> Any | None:
        if kind is Path and isinstance(value, str | Path):
            return Path(value).expanduser()
        if name == "identity.clients":
            return self._clients(value)
        if kind in {str, bool} and type(value) is kind:
            return value
        if kind is int and type(value) is int:
            low, high = _RANGES.get(name, (0, 2**63))
            if low <= value <= high:
                return value
            self.wrong(name, f"must be between {low} and {high}, not {value} (from {source})")
            return None
        if typing.get_origin(kind) is dict and isinstance(value, dict) and all(isinstance(item, str) for item in value.values()):
            return value
        wanted = {str: "text", int: "a whole number", bool: "true or false"}.get(kind, "a table of texts")
        self.wrong(name, f"must be {wanted}, not {type(value).__name__} (from {source})")
        return None

    def _clients(self, value: Any) -> tuple[ClientSettings, ...] | None:
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            self.wrong("identity.clients", "must be a list of tables", "Write [[identity.clients]] before each client.")
            return None
        clients = [client for number, item in enumerate(value) if (client := self._client(f"identity.clients[{number}]", item))]
        ids = [client.id for client in clients]
        for repeated in sorted({item for item in ids if ids.count(item) > 1}):
            self.wrong("identity.clients", f"the id {repeated!r} stands twice")
        return tuple(clients)

    def _client(self, where: str, item: dict[str, Any]) -> ClientSettings | None:
        item, before = dict(item), len(self.mistakes)
        fields = {field.name for field in dataclasses.fields(ClientSettings)}
        for name in sorted(item.keys() - fields - {"secret_file"}):
            close = difflib.get_close_matches(name, fields, 1)
            self.wrong(f"{where}.{name}", "unknown setting", f"Did you mean {close[0]}?" if close else "")
        if ("secret" in item) == ("secret_file" in item):
            self.wrong(where, "give one of secret and secret_file")
        elif "secret_file" in item:
            try:
                item["secret"] = Path(str(item["secret_file"])).read_text("utf-8").strip()
            except (OSError, UnicodeDecodeError):
                self.wrong(f"{where}.secret_file", f"cannot read {item['secret_file']}")
        for name in ("id", "secret", "name"):
            if name in item and not (isinstance(item[name], str) and (item[name] or name == "name")):
                self.wrong(f"{where}.{name}", "must be text, and not empty")
        if "id" not in item:
            self.wrong(where, "id is missing")
        for name in ("grants", "redirect_uris", "scopes"):
            if name in item and not (isinstance(item[name], list) and all(isinstance(text, str) for text in item[name])):
                self.wrong(f"{where}.{name}", "must be a list of texts")
        if isinstance(item.get("grants"), list):
            for grant in item["grants"]:
                if grant not in _GRANTS:
                    self.wrong(f"{where}.grants", f"unknown grant {grant!r}", f"Known: {', '.join(_GRANTS)}.")
        if len(self.mistakes) > before:
            return None
        return client_of({name: value for name, value in item.items() if name in fields})

    def build(self, data_dir: Path, cwd: Path) -> Settings:
        for name, value in self.values.items():
            self._check_meaning(name, value)
        if self.mistakes:
            raise SettingsError(tuple(self.mistakes))
        sections = {
            section: cls(
                **{
                    field.name: self.values[f"{section}.{field.name}"]
                    for field in dataclasses.fields(cls)
                    if f"{section}.{field.name}" in self.values
                }
            )
            for section, cls in SECTIONS.items()
        }
        return Settings(data_dir=cwd / self.values.get("data_dir", data_dir), **sections)

    def _check_meaning(self, name: str, value: Any) -> None:
        if name in {"identity.host", "gateway.api_host", "gateway.domain"} and not _HOST.fullmatch(value):
            self.wrong(name, f"{value!r} is not a host name")
        elif name == "gateway.listen" and not _is_address(value):
            self.wrong(name, f"{value!r} is not an IP address", "Use 127.0.0.1, ::1, 0.0.0.0 or an address of this machine.")
        elif name == "identity.issuer" and not _is_issuer(value):
            self.wrong(name, f"{value!r} must be an absolute https URL without query or fragment (RFC 8414 §2)")
        elif name == "identity.key_id" and not (value.isascii() and value.isprintable() and 0 < len(value) <= 255):
            self.wrong(name, "must be 1 to 255 printable ASCII characters")
        elif name == "apis.organization" and not _LABEL.fullmatch(value):
            self.wrong(name, f"{value!r} must be a lower-case DNS label: it becomes part of a host name")
        elif name == "gateway.hosts":
            for host, address in value.items():
                if not _is_host_port(host) or not _is_address_port(address):
                    self.wrong(f"gateway.hosts.{host}", f"{address!r}: write host or host:port = address[:port]")


def _kind(name: str) -> Any | None:
    """The type a setting has, or None when there is no such setting."""
    if name == "data_dir":
        return Path
    section, _, key = name.partition(".")
    return typing.get_type_hints(SECTIONS[section]).get(key) if section in SECTIONS else None


def _all_names() -> list[str]:
    return ["data_dir", *(f"{section}.{field.name}" for section, cls in SECTIONS.items() for field in dataclasses.fields(cls))]


def _relative_to(folder: Path, value: Any) -> Any:
    """Client lists with `secret_file` made absolute: it is relative to the file it stands in."""
    if not isinstance(value, list):
        return value
    return [
        {**item, "secret_file": os.fspath(folder / item["secret_file"])}
        if isinstance(item, dict) and isinstance(item.get("secret_file"), str)
        else item
        for item in value
    ]


def _is_address(value: str) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True


def _is_issuer(value: str) -> bool:
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        return False
    secure = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))
    return bool(secure and parts.hostname and not {"?", "#"} & set(value) and value.isascii() and value.isprintable())


def _is_host_port(value: str) -> bool:
    host, colon, port = value.partition(":")
    return bool(_HOST.fullmatch(host)) and (not colon or (port.isdigit() and 0 < int(port) < 65536))


def _is_address_port(value: str) -> bool:
    parts = urlsplit(f"//{value}" if value.count(":") < 2 or value.startswith("[") else f"//[{value}]")
    try:
        return bool(parts.hostname) and _is_address(parts.hostname or "") and (parts.port is None or parts.port > 0) and not parts.path
    except ValueError:
        return False


__all__ = ["check_non_production", "default_data_dir", "is_loopback", "read_settings"]
