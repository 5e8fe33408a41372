"""Reads the settings: defaults, then kapi.toml, then KAPI_… variables, then flags; every mistake at once.

A small reader over the dataclasses of `settings.py`; `settings/values.py` checks each value against its type. Used by the
command line only; the processes get the checked result.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from kapi.addresses import is_label, is_loopback
from kapi.errors import Diagnostic, SettingsError
from kapi.settings import (
    SECTIONS,
    WELL_KNOWN_CLIENT_SECRET,
    ClientSettings,
    IdentitySettings,
    InterceptorSettings,
    Settings,
    default_data_dir,
)
from kapi.settings.addresses import (
    HOST,
    is_address,
    is_address_port,
    is_host_port,
    is_issuer,
    is_network,
    is_service_url,
)
from kapi.settings.ai import ai_provider_mistakes
from kapi.settings.claims import mistakes
from kapi.settings.clients import ClientFacts, client_mistakes, has_certificates, unknown_names
from kapi.settings.resources import resource_mistakes
from kapi.settings.subscriptions import subscription_mistakes
from kapi.settings.toml import NOWHERE, Place, Places, place_of_error, places_of
from kapi.settings.values import REFUSED, checked, field_types

_PREFIX = "KAPI_"
_NOT_SETTINGS = frozenset({"KAPI_CONFIG", "KAPI_DEBUG", "KAPI_TOKEN", "KAPI_CLIENT_SECRET"})
_ALL_SETTINGS = "`kapi config show --config /dev/null` lists all settings with their defaults."


def read_settings(
    flags: Mapping[str, Any],
    environ: Mapping[str, str],
    cwd: Path,
    config: Path | None = None,
    *,
    client_facts: Callable[[], ClientFacts],
) -> tuple[Settings, dict[str, str]]:
    """The settings and where each value came from, by dotted name.

    `flags` holds dotted names and values; None means not given. `client_facts` is called when there are clients to check.
    Raises SettingsError with every mistake.
    """
    reader = _Reader(client_facts)
    file = settings_file(environ, cwd, config)
    if file is not None:
        reader.read_file(file)
    for name, text in environ.items():
        if name.startswith(_PREFIX) and name not in _NOT_SETTINGS:
            reader.put_text(name.removeprefix(_PREFIX).lower().replace("__", "."), text, name)
    for name, value in flags.items():
        if value is not None:
            reader.put(name, value, f"--{name.rpartition('.')[2].replace('_', '-')}")
    reader.read_secret_variables(environ)
    settings = reader.build(default_data_dir(environ), cwd)
    return settings, reader.sources


def settings_file(environ: Mapping[str, str], cwd: Path, config: Path | None = None) -> Path | None:
    """The kapi.toml that is read: the one named, else the next one upward from `cwd`; None when there is none."""
    return config or (
        Path(environ["KAPI_CONFIG"]) if environ.get("KAPI_CONFIG") else _found_upward(cwd)
    )


def check_non_production(settings: Settings) -> None:
    """Raise SettingsError when the well-known client or users would be reachable from the network without a word of consent."""
    if not settings.identity.enabled:
        return
    if is_loopback(settings.gateway.listen) or settings.identity.non_production_on_network:
        return
    client = any(client.secret == WELL_KNOWN_CLIENT_SECRET for client in settings.identity.clients)
    users = any(user in IdentitySettings().users for user in settings.identity.users)
    found = [name for name, there in (("client", client), ("users", users)) if there]
    if not found:
        return
    switches = " and ".join(f"identity.well_known_{name} = false" for name in found)
    raise SettingsError((
        Diagnostic(
            "settings",
            f"the well-known, published {' and '.join(found)} would be reachable on {settings.gateway.listen}",
            f"Say {switches} in kapi.toml, and declare [[identity.clients]] and [[identity.users]] of your own;"
            " or say --non-production-on-network.",
            pointer="identity.clients",
        ),
    ))  # fmt: skip


def check_secrets(settings: Settings) -> None:
    """Raise SettingsError when a named secret has no value: its variable is not set where kapi starts."""
    missing = [item for item in settings.secrets.values if not item.value]
    if missing:
        raise SettingsError(
            tuple(
                Diagnostic(
                    "settings",
                    f"the variable {item.value_variable} is not set",
                    "Set it, or give value_file.",
                    pointer=f"secrets.values[{settings.secrets.values.index(item)}]",
                )
                for item in missing
            )
        )


def _found_upward(cwd: Path) -> Path | None:
    return next(
        (path for folder in (cwd, *cwd.parents) if (path := folder / "kapi.toml").is_file()), None
    )


class _Reader:
    """Collects values by dotted name, and the mistakes."""

    def __init__(self, client_facts: Callable[[], ClientFacts]) -> None:
        self._client_facts = client_facts
        self.values: dict[str, Any] = {}
        self.sources: dict[str, str] = {}
        self.mistakes: list[Diagnostic] = []
        self.file = ""
        self.places = Places()

    def wrong(self, name: str, message: str, hint: str = "", source: str = "") -> None:
        """Note a mistake; one in the file has the place of the setting there."""
        origin = source or self.sources.get(".".join(re.split(r"[.\[]", name)[:2]), "")
        line, column = self.places.find(name) if self.file and origin == self.file else NOWHERE
        self._wrong_at(
            (line, column),
            f"{name}: {message}" if name else message,
            hint or _ALL_SETTINGS,
            origin,
            name,
        )

    def _wrong_at(self, place: Place, message: str, hint: str, origin: str, name: str = "") -> None:
        line, column = place
        if origin and not line:
            message = f"{message} (from {origin})"
        self.mistakes.append(
            Diagnostic("settings", message, hint, name, line, column, source=origin if line else "")
        )

    def read_file(self, path: Path) -> None:
        try:
            text = path.read_text("utf-8")
            content = tomllib.loads(text)
        except OSError as error:
            self.wrong(
                "", f"cannot read {path}: {error.strerror}", "Name a readable file: --config PATH."
            )
            return
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            hint = "Mend that line; a setting is written as `name = value` below its [section]."
            self._wrong_at(
                place_of_error(str(error)), f"{path} is not TOML: {error}", hint, path.name
            )
            return
        self.file, self.places = path.name, places_of(text)
        for name, value in content.items():
            if name in SECTIONS and isinstance(value, dict):
                for key, item in value.items():
                    found = _relative_to(path.parent, {key: item})[key]
                    self.put(f"{name}.{key}", found, path.name)
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
            self.wrong(
                name, "unknown setting", f"Did you mean {close[0]}?" if close else "", source
            )
            return
        result = checked(kind, value, name, self._from(source), _metadata(name))
        if name == "identity.clients":
            for where, message, hint in unknown_names(value, self._client_facts()):
                self.wrong(where, message, hint, source)
        if result is not REFUSED:
            self.values[name] = result
            self.sources[name] = source

    def _from(self, source: str) -> Callable[..., None]:
        return lambda name, message, hint="": self.wrong(name, message, hint, source)

    def read_secret_variables(self, environ: Mapping[str, str]) -> None:
        """Values of named secrets that stand in the environment; `check_secrets` refuses those that do not."""
        found = []
        for number, item in enumerate(self.values.get("secrets.values", ())):
            if bool(item.value) == bool(item.value_variable):
                self.wrong(
                    f"secrets.values[{number}]", "give one of value, value_file and value_variable"
                )
            found.append(
                dataclasses.replace(item, value=item.value or environ.get(item.value_variable, ""))
            )
        if found:
            self.values["secrets.values"] = tuple(found)

    def build(self, data_dir: Path | None, cwd: Path) -> Settings:
        self._keep_well_known("clients", "well_known_client")
        self._keep_well_known("users", "well_known_users")
        for name, value in self.values.items():
            self._check_meaning(name, value)
        if self.values.get("gateway.client_certificate_header") and not self.values.get(
            "gateway.trusted_fronts"
        ):
            hint = "Name the fronts that set it; from anybody else it is worth nothing."
            self.wrong("gateway.trusted_fronts", "is needed with client_certificate_header", hint)
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
        mistaken = subscription_mistakes(sections["subscriptions"], sections["apis"].organization)
        for mistake in (*mistaken, *ai_provider_mistakes(sections["gateway"].ai_providers)):
            self.wrong(*mistake)
        chosen = self.values.get("data_dir", data_dir)
        if chosen is None:
            self.wrong(
                "data_dir",
                "this user has no home directory to keep data in",
                "Name a folder: --data-dir PATH, or KAPI_DATA_DIR.",
            )
        if self.mistakes or chosen is None:
            raise SettingsError(tuple(self.mistakes))
        return Settings(data_dir=cwd / chosen, **sections)

    def _keep_well_known(self, name: str, switch: str) -> None:
        """The published clients or users come after those of the person, unless they are switched off or declared anew."""
        given, seeded = self.values.get(f"identity.{name}"), getattr(IdentitySettings(), name)
        kept = self.values.get(f"identity.{switch}", True)
        if kept and given is None:
            return
        key = "id" if name == "clients" else "username"
        taken = {getattr(item, key) for item in given or ()}
        others = (
            {user.username for user in self.values.get("identity.users", ())}
            if name == "clients"
            else self._client_ids()
        )
        added = [item for item in seeded if kept and getattr(item, key) not in taken | others]
        self.values[f"identity.{name}"] = (*(given or ()), *added)

    def _client_ids(self) -> set[str]:
        return {
            client.id for client in self.values.get("identity.clients", IdentitySettings().clients)
        }

    def _check_meaning(self, name: str, value: Any) -> None:
        if name in {"identity.host", "gateway.api_host", "gateway.domain"} and not HOST.fullmatch(
            value
        ):
            self.wrong(name, f"{value!r} is not a host name")
        elif name == "gateway.listen" and not is_address(value):
            self.wrong(
                name,
                f"{value!r} is not an IP address",
                "Use 127.0.0.1, ::1, 0.0.0.0 or an address of this machine.",
            )
        elif name == "identity.issuer" and not is_issuer(value):
            self.wrong(
                name,
                f"{value!r} must be an absolute https URL without query or fragment (RFC 8414 §2)",
            )
        elif name == "identity.key_id" and not (
            value.isascii() and value.isprintable() and 0 < len(value) <= 255
        ):
            self.wrong(name, "must be 1 to 255 printable ASCII characters")
        elif name == "apis.organization" and not is_label(value):
            self.wrong(
                name, f"{value!r} must be a lower-case DNS label: it becomes part of a host name"
            )
        elif (
            name == "gateway.client_certificate_header"
            and value
            and not re.fullmatch(r"[A-Za-z0-9_-]{1,128}", value)
        ):
            self.wrong(name, f"{value!r} is not a header name of letters, digits, `-` and `_`")
        elif name == "gateway.trusted_fronts":
            for network in value:
                if not is_network(network):
                    self.wrong(
                        name,
                        f"{network!r} is not a network",
                        "Write 192.0.2.0/24, 2001:db8::/32 or an address.",
                    )
        elif name == "identity.clients":
            self._check_clients(value)
        elif name == "identity.client_ca_file" and value and not has_certificates(value):
            self.wrong(name, f"{value} is not a readable file with certificates in PEM form")
        elif name == "gateway.interceptors":
            self._check_interceptors(value)
        elif name == "identity.resources":
            for mistake in resource_mistakes(value):
                self.wrong(name, mistake)
        elif name == "identity.assertion_issuers":
            for item in value:
                if bool(item.jwks) == bool(item.jwks_uri):
                    self.wrong(
                        name,
                        f"{item.issuer} needs its keys: jwks or jwks_uri, one of them",
                        "Give its public keys as jwks, or their address as jwks_uri.",
                    )
        elif name == "identity.claims":
            self._check_claims(name, value)
        elif name == "identity.users":
            taken = self._client_ids()
            for number, user in enumerate(value):
                if user.username in taken:
                    # RFC 9068 §5: the subject of a token must say whether a client acts for itself or for a person.
                    self.wrong(
                        f"identity.users[{number}].username",
                        "a client has this id; a person needs another name",
                    )
                self._check_claims(f"identity.users[{number}].token_claims", user.token_claims)
        elif name == "gateway.hosts":
            for host, address in value.items():
                if not is_host_port(host) or not is_address_port(address):
                    self.wrong(
                        f"gateway.hosts.{host}",
                        f"{address!r}: write host or host:port = address[:port]",
                    )

    def _check_clients(self, clients: tuple[ClientSettings, ...]) -> None:
        for number, client in enumerate(clients):
            self._check_client(f"identity.clients[{number}]", client)
            self._check_claims(f"identity.clients[{number}].claims", client.claims)

    def _check_claims(self, where: str, rules: Mapping[str, Any]) -> None:
        for claim, what in mistakes(rules):
            self.wrong(f"{where}.{claim}", what, "A rule is a value, or a text with `${…}`.")

    def _check_client(self, where: str, client: ClientSettings) -> None:
        method = client.token_endpoint_auth_method
        without = not self._client_facts().has_secret(method)
        if without == bool(client.secret):
            what = (
                f"a client with {method} has no secret"
                if without
                else "secret (or secret_file) is missing"
            )
            self.wrong(where, what, 'Public clients say token_endpoint_auth_method = "none".')
        if method == "client_secret_jwt" and 0 < len(client.secret.encode()) < 32:
            self.wrong(
                where, "client_secret_jwt needs a secret of at least 32 bytes (RFC 7518 3.2)"
            )
        for mistake in client_mistakes(client, self._client_facts()):
            self.wrong(where, mistake)

    def _check_interceptors(self, items: Iterable[InterceptorSettings]) -> None:
        for number, item in enumerate(items):
            name = f"gateway.interceptors[{number}]"
            if not is_service_url(item.url):
                self.wrong(
                    f"{name}.url",
                    "must be an http or https URL without user name and query",
                    "Write http://host:port.",
                )
            if bool(item.tls_secret_name) != bool(item.tls_secret_key):
                self.wrong(
                    name, "tls_secret_name and tls_secret_key belong together", "Give both or none."
                )
            if not item.flows:
                self.wrong(
                    f"{name}.flows",
                    "must name a flow",
                    'Write ["request", "response"] or one of them.',
                )


def _kind(name: str) -> Any | None:
    """The type a setting has, or None when there is no such setting."""
    if name == "data_dir":
        return Path
    section, _, key = name.partition(".")
    return field_types(SECTIONS[section]).get(key) if section in SECTIONS else None


def _metadata(name: str) -> Mapping[str, Any]:
    section, _, key = name.partition(".")
    return (
        next(
            (
                field.metadata
                for field in dataclasses.fields(SECTIONS[section])
                if field.name == key
            ),
            {},
        )
        if section in SECTIONS
        else {}
    )


def _all_names() -> list[str]:
    return [
        "data_dir",
        *(
            f"{section}.{field.name}"
            for section, cls in SECTIONS.items()
            for field in dataclasses.fields(cls)
        ),
    ]


def _relative_to(folder: Path, value: Any) -> Any:
    """Files made absolute, in tables and lists of tables: `…_file` is relative to the file it stands in."""
    if isinstance(value, list):
        return [_relative_to(folder, item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: os.fspath(folder / item)
        if name.endswith("_file") and isinstance(item, str)
        else _relative_to(folder, item)
        for name, item in value.items()
    }


__all__ = ["check_non_production", "check_secrets", "is_loopback", "read_settings"]
