"""Definition → apk-conf, as APK's generate-configuration answers it.

Called by the system API and the CLI. What is made can be deployed: what a conf cannot say is left
out or shortened, and each such thing is named in a warning.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urljoin, urlsplit

from kapi import error_codes
from kapi.apis import report as codes
from kapi.apis.definitions import parse_definition
from kapi.apis.definitions.model import Note
from kapi.apis.emit import emit
from kapi.apis.kinds import DEFAULT, kind_of
from kapi.apis.model.choices import NO_CHOICES, Choices
from kapi.apis.model.rules import (
    MAX_OPERATIONS,
    Fault,
    base_path_fault,
    endpoint_of,
)
from kapi.dataclass import dataclass
from kapi.errors import Diagnostic, Invalid

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kapi.apis.definitions import Definition, DefinitionOperation
    from kapi.apis.definitions.model import Server
    from kapi.apis.report import Mark

_SOURCE: Final = "definitionFile"
_LONGEST_NAME: Final = 60
_LONGEST_VERSION: Final = 30
_LONGEST_PATH: Final = 256
_FIRST_VERSION: Final = "1.0.0"
_LONGEST_URL: Final = 2048
_ENDPOINT_HINT: Final = (
    "Give --endpoint URL, or add endpointConfigurations to the conf."
)


@dataclass(frozen=True, slots=True)
class Generated:
    """An apk-conf and what it does not say as the definition does.

    `origins` leads from pointers in the conf to pointers in the definition. Without an
    endpoint, one warning has the code NO_ENDPOINT.
    """

    conf_text: str
    warnings: tuple[Diagnostic, ...] = ()
    origins: Mapping[str, str] = field(default_factory=dict)

    @property
    def with_warnings(self) -> str:
        """The conf with its warnings as comments at its end, for callers that get nothing else."""
        return self.conf_text + "".join(
            f"# {_one_line(f'{item.message}. {item.hint}')}\n" for item in self.warnings
        )


def generate(content: bytes, api_type: str = DEFAULT.type, file_name: str = "") -> str:
    """The apk-conf of a definition; raises Invalid (90091) with every mistake in the definition."""
    return generated(content, api_type, file_name).conf_text


def with_comments(
    content: bytes, api_type: str, file_name: str, choices: Choices
) -> str:
    """The apk-conf with its warnings as comments. Raises Invalid (90091)."""
    return generated(content, api_type, file_name, choices).with_warnings


def generated(
    content: bytes,
    api_type: str = DEFAULT.type,
    file_name: str = "",
    choices: Choices = NO_CHOICES,
) -> Generated:
    """The apk-conf of a definition and its warnings; raises Invalid (90091) with all mistakes."""
    definition = parse_definition(content, api_type, file_name)
    return generated_of(definition, file_name, choices)


def generated_of(definition: Definition, file_name: str, choices: Choices) -> Generated:
    """The same, of a definition that was read."""
    maker = _Maker(definition, choices, file_name)
    conf = maker.conf()
    notes = [(codes.NOT_AS_DEFINED, note) for note in (*definition.notes, *maker.notes)]
    notes += [(codes.NO_ENDPOINT, note) for note in maker.missing]
    places: Mapping[str, Mark] = {}
    if notes:
        places = definition.places({note.pointer for _, note in notes})
    warnings = (_warning(code, note, places[note.pointer]) for code, note in notes)
    ordered = tuple(sorted(warnings, key=lambda item: (item.line, item.column)))
    return Generated(emit(conf), ordered, maker.origins)


def refuse_without_endpoint(made: Generated) -> None:
    """Raise Invalid if the definition names no endpoint, with this one mistake."""
    missing = []
    for item in made.warnings:
        if item.code == codes.NO_ENDPOINT:
            missing.append(replace(item, severity="error"))
    if missing:
        raise Invalid(tuple(missing))


def _warning(code: str, note: Note, place: Mark) -> Diagnostic:
    return Diagnostic(
        code,
        note.message,
        note.hint,
        note.pointer,
        place.line,
        place.column,
        "warning",
        _SOURCE,
    )


def place_in_definition(
    made: Generated, definition: bytes, api_type: str, items: Iterable[Diagnostic]
) -> tuple[Diagnostic, ...]:
    """Diagnostics about a generated conf as diagnostics about its definition, with places there."""
    found = list(items)
    origins = [_origin(made.origins, item.pointer) for item in found]
    places = parse_definition(definition, api_type).places(set(origins))
    return tuple(
        replace(
            item,
            pointer=pointer,
            line=places[pointer].line,
            column=places[pointer].column,
            source=_SOURCE,
        )
        for item, pointer in zip(found, origins, strict=True)
    )


def _origin(origins: Mapping[str, str], pointer: str) -> str:
    while pointer and pointer not in origins:
        pointer = pointer.rpartition("/")[0]
    return origins.get(pointer, "#")


def _one_line(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)


class _Maker:
    """Makes one conf; `notes` say what became different on the way."""

    def __init__(
        self, definition: Definition, choices: Choices, file_name: str
    ) -> None:
        self._definition = definition
        self._file_name = file_name
        self._kind = kind_of(definition.type)
        self._choices = choices
        self.notes: list[Note] = []
        self.origins: dict[str, str] = {}
        self.missing: list[Note] = []
        """What a conf needs and the definition does not say."""

    def conf(self) -> dict[str, Any]:
        definition = self._definition
        name, version = definition.name, definition.version
        operations = list(definition.operations)
        if self._kind:
            operations = self._kind.generated(definition, self._note)
        self._refuse_number(len(operations))
        if self._kind:
            name, version = self._name(), self._version()
        conf: dict[str, Any] = {
            "name": name,
            "basePath": self._choices.base_path or self._base_path(name, version),
            "version": version,
            "type": definition.type,
            "defaultVersion": False,
            "subscriptionValidation": False,
        }
        if self._kind:
            conf |= self._kind.more_fields(definition, conf)
        for item in ("name", "version", "basePath"):
            self.origins[f"#/{item}"] = definition.origins.get(item, "#")
        endpoints = self._endpoints()
        if endpoints:
            conf["endpointConfigurations"] = endpoints
        conf["operations"] = [
            self._operation(index, item) for index, item in enumerate(operations)
        ]
        served = all("endpointConfigurations" in item for item in conf["operations"])
        if self._kind and not endpoints and not served:
            self._note_endpoint()
        return conf

    def _note(self, pointer: str, message: str, hint: str = "") -> None:
        self.notes.append(Note(pointer, message, hint))

    def _refuse_number(self, kept: int) -> None:
        """A conf without operations cannot be deployed, nor one with too many."""
        if 0 < kept <= MAX_OPERATIONS:
            return
        message, hint = self._definition.no_operations, "Add an operation below paths."
        if kept:
            message = (
                f"the definition has {kept} operations;"
                f" at most {MAX_OPERATIONS} can be deployed in one API"
            )
            hint = "Split the definition into several APIs."
        elif self._definition.operations or self.notes:
            message = "none of the operations of the definition can be deployed"
            hint = "; ".join(dict.fromkeys(note.message for note in self.notes[:3]))
        place = self._definition.places(["#/paths"])["#/paths"]
        found = Diagnostic(
            codes.OPERATIONS,
            message,
            hint,
            "#/paths",
            place.line,
            place.column,
            source=_SOURCE,
        )
        raise Invalid((found,), error_codes.INVALID_DEFINITION)

    # operations

    def _operation(self, index: int, operation: DefinitionOperation) -> dict[str, Any]:
        pointer = f"#/operations/{index}"
        self.origins[pointer] = operation.pointer
        self.origins[f"{pointer}/target"] = operation.path_pointer
        made: dict[str, Any] = {
            "target": operation.target,
            "verb": operation.verb,
            "secured": operation.secured,
            "scopes": list(operation.scopes),
        }
        if operation.scope_alternatives:
            made["scopeAlternatives"] = list(map(list, operation.scope_alternatives))
        chosen = self._usable(operation.servers)
        if chosen is not None:
            made["endpointConfigurations"] = _endpoint(chosen.url)
            self.origins[f"{pointer}/endpointConfigurations"] = chosen.pointer
        elif operation.servers:
            server = operation.servers[0]
            where = (
                f"server {server.url[:80]} of {operation.verb} {operation.target[:80]}"
            )
            message = f"{where} is not absolute: the endpoint of the API is used"
            self._note(
                server.pointer,
                message,
                "Give the operation endpointConfigurations, if its backend is another one.",
            )
        return made

    # name, version, base path

    def _name(self) -> str:
        if self._choices.name:
            return self._choices.name
        if not self._definition.names_api:
            return self._made_name()
        name = self._definition.name.strip()
        if len(name) > _LONGEST_NAME:
            name = name[:_LONGEST_NAME].rstrip()
            message = f"the title is longer than {_LONGEST_NAME} characters; the name is [{name}]"
            self._note("#/info/title", message, "Set another name, if you like.")
            return name
        return self._definition.name

    def _made_name(self) -> str:
        """A name from the file, for a definition language that has none."""
        name = name_of_file(self._file_name) or self._definition.type
        self._note(
            "#", f"the definition has no name; it becomes [{name}]", "Set another name."
        )
        return name

    def _version(self) -> str:
        if self._choices.version:
            return self._choices.version
        given = self._definition.version
        if not self._definition.names_api:
            hint = "Set another version."
            self._note(
                "#", f"the definition has no version; it becomes {_FIRST_VERSION}", hint
            )
            return _FIRST_VERSION
        version = (
            re.sub(r"[^A-Za-z0-9._-]+", "-", given)
            .strip("-")[:_LONGEST_VERSION]
            .rstrip("-")
        )
        if version in ("", ".", ".."):
            version = _FIRST_VERSION
            if self._kind:
                version = self._kind.first_version
        if not given:
            message = f"the definition has no version; it becomes {version}"
            self._note("#/info/version", message, "Set another version.")
        elif version != given:
            message = (
                f"version [{given[:80]}] cannot be a path segment; it becomes {version}"
            )
            self._note(
                "#/info/version",
                message,
                f"Use letters, digits, `.`, `_` and `-`, at most {_LONGEST_VERSION}.",
            )
        return version

    def _base_path(self, name: str, version: str) -> str:
        given = self._definition.base_path
        if not self._definition.names_api:
            return base_path_of(name) or _made_base_path(name, version)
        if not self._kind or not given:
            return given or _made_base_path(name, version)
        fault = base_path_fault(given)
        if fault is None and len(given) <= _LONGEST_PATH:
            return given
        made = _made_base_path(name, version)
        why = f"it is longer than {_LONGEST_PATH} characters"
        if fault:
            why = fault.message
        self._note(
            self._definition.origins["basePath"],
            f"base path [{given[:80]}] becomes {made}: {why}",
            "Set another basePath.",
        )
        return made

    # endpoints

    def _endpoints(self) -> dict[str, Any]:
        made: dict[str, Any] = {}
        if self._choices.production:
            made |= _endpoint(self._choices.production)
        elif (chosen := self._usable(self._definition.servers)) is not None:
            made |= _endpoint(chosen.url)
            self.origins["#/endpointConfigurations"] = chosen.pointer
        if self._choices.sandbox:
            made["sandbox"] = {"endpoint": self._choices.sandbox}
        return made

    def _usable(self, servers: tuple[Server, ...]) -> Server | None:
        """The first server that can be an endpoint; relative ones are resolved against `url`."""
        chosen: Server | None = None
        for server in servers:
            fault = server.fault
            found = server
            if not fault:
                found = replace(
                    server,
                    url=urljoin(self._choices.url, server.url)
                    if self._choices.url
                    else server.url,
                )
                if not urlsplit(found.url).scheme:
                    continue
                fault = _url_fault(found.url)
            if fault and chosen is None:
                self._note(
                    server.pointer,
                    f"server {server.url[:80]} cannot be an endpoint: {fault}",
                    "The next server is used.",
                )
            elif chosen is None:
                chosen = found
        return chosen

    def _note_endpoint(self) -> None:
        servers = self._definition.servers
        pointer = servers[0].pointer if servers else "#"
        self.missing.append(
            Note(
                pointer,
                "the definition names no absolute server, so the API has no endpoint",
                _ENDPOINT_HINT,
            )
        )


def name_of_file(file_name: str) -> str:
    """The name of an API from the name of its definition's file; empty if there is none."""
    stem = file_name.rpartition("/")[2].partition(".")[0]
    return (
        re.sub(r"[^A-Za-z0-9 ._-]+", "-", stem).strip("- ._")[:_LONGEST_NAME].rstrip()
    )


def base_path_of(name: str) -> str:
    """A base path from the name of an API, in small letters; empty if no letter is left."""
    segment = re.sub(r"[^a-z0-9._~-]+", "-", name.lower()).strip("-.")
    if segment:
        return f"/{segment}"
    return ""


def _url_fault(url: str) -> str:
    if len(url) > _LONGEST_URL:
        return f"it is longer than {_LONGEST_URL} characters"
    read = endpoint_of(url)
    if isinstance(read, Fault):
        return read.message
    return ""


def _made_base_path(name: str, version: str) -> str:
    """A base path of name and version; URL-safe, unlike APK's plain base64 with `/` and `+`."""
    made = base64.urlsafe_b64encode(f"{name}{version}".encode()).decode()
    return "/" + made.rstrip("=")[: _LONGEST_PATH - 1]


def _endpoint(url: str) -> dict[str, Any]:
    return {"production": {"endpoint": url}}
