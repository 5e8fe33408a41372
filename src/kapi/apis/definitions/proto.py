"""Protocol buffer files, alone or in a zip: their services and methods, nothing else.

Called by `definitions/__init__.py`. A tolerant reader: it needs `package`, `service` and `rpc`, and
skips everything between (Protocol Buffers language guide, proto3).
"""

from __future__ import annotations

import hashlib
import io
import lzma
import re
import zipfile
import zlib
from typing import TYPE_CHECKING, Final

from kapi.apis import report as codes
from kapi.apis.definitions.model import Definition, DefinitionOperation, Note
from kapi.apis.report import Mark
from kapi.apis.yaml_positions import decode
from kapi.dataclass import dataclass

if TYPE_CHECKING:
    from kapi.apis.report import Report

TYPE: Final = "GRPC"
_HEAD: Final = re.compile(
    rb"""(?m)^[ \t]*(syntax\s*=\s*["']proto|package\s+[\w.]+\s*;|service\s+\w+\s*\{)"""
)
_TOKEN: Final = re.compile(
    r"""\s+|//[^\n]*|/\*.*?(?:\*/|\Z)|"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?|[\w.]+|.""",
    re.DOTALL,
)
"""A comment or text without an end is one token, so that no character is read twice."""
_IDENTIFIER: Final = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_VERSION: Final = re.compile(r"v\d+\w*", re.ASCII)
_MAX_BYTES: Final = 2_000_000
_MAX_FILES: Final = 200
_ZIP_ERRORS: Final = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    RuntimeError,
    ValueError,
    OSError,
)
"""What `zipfile` raises for an archive that it cannot read.

RuntimeError: a member has a password; its subclass NotImplementedError: an unknown compression
method or kind of encryption. ValueError: a damaged name or offset. zlib.error, LZMAError, OSError
(from bz2) and EOFError: damaged content.
"""

_NO_PACKAGE: Final = Note(
    "#/package",
    "the proto has no package, so generated clients call paths that no API can have",
    "Callers add base path and version: /<basePath>.<version>.<Service>/<Method>."
    " Or give the proto a package.",
)


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class _Service:
    package: str
    name: str
    methods: tuple[_Method, ...]


@dataclass(frozen=True, slots=True)
class _Method:
    name: str
    streams: bool


def detect(content: bytes, file_name: str) -> bool:
    """Whether it is a zip or has proto statements."""
    return (
        content[:4] == b"PK\x03\x04"
        or file_name.endswith(".proto")
        or bool(_HEAD.search(content[:20_000]))
    )


def _add_difference(first: str, other: str, report: Report) -> None:
    message = f"packages {first} and {other} differ before their version"
    hint = "Deploy them as two APIs."
    report.add(codes.DEFINITION_CONTENT, message, Mark(1, 1), hint)


def parse(content: bytes, report: Report) -> Definition | None:
    """The definition, or None; every mistake goes to the report."""
    services: list[_Service] = []
    for text in _texts(content, report):
        services += _Reader(text, report).services()
    if not services:
        if not report.diagnostics:
            report.add(
                codes.DEFINITION_CONTENT,
                "no service with an rpc was found",
                Mark(1, 1),
                "Send the file that has the service.",
            )
        return None
    base_path, version, _ = _split(services[0].package)
    operations = []
    for service in services:
        path, its_version, inner = _split(service.package)
        if (path, its_version) != (base_path, version):
            _add_difference(services[0].package, service.package, report)
        target = service.name
        if inner:
            target = f"{inner}.{service.name}"
        operations += [
            DefinitionOperation(target, method.name, streams=method.streams)
            for method in service.methods
        ]
    # APK names a gRPC API by this hash of all its services, in archive order.
    # A person gives it a better name in the conf.
    names = "".join(f"{service.name}-" for service in services)
    name = hashlib.sha1(names.encode(), usedforsecurity=False).hexdigest()
    notes: tuple[Note, ...] = ()
    if not services[0].package:
        notes = (_NO_PACKAGE,)
    path = f"/{base_path}" if base_path else ""
    return Definition(TYPE, name, version, path, tuple(operations), notes=notes)


def _split(package: str) -> tuple[str, str, str]:
    """A package as (path, version, rest): `org.apk.v1.student` → `org.apk`, `v1`, `student`."""
    parts = package.split(".")
    for index, part in enumerate(parts):
        if _VERSION.fullmatch(part):
            return ".".join(parts[:index]), part, ".".join(parts[index + 1 :])
    return package, "", ""


def _texts(content: bytes, report: Report) -> list[str]:
    """The proto files: the content itself, or those in the zip."""
    if content[:4] != b"PK\x03\x04":
        text = decode(content, report, limit=_MAX_BYTES)
        if text is None:
            return []
        return [text]
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return _texts_in(archive, report)
    except _ZIP_ERRORS as error:
        message = f"the zip cannot be read: {str(error)[:100]}"
        report.add(
            codes.DEFINITION, message, Mark(), "Pack it again, without a password."
        )
        return []


def _texts_in(archive: zipfile.ZipFile, report: Report) -> list[str]:
    names = [item for item in archive.infolist() if item.filename.endswith(".proto")]
    if len(names) > _MAX_FILES:
        message = (
            f"the zip has {len(names)} .proto files; at most {_MAX_FILES} are read"
        )
        report.add(codes.LIMIT, message, Mark(), "Leave out what is not used.")
        return []
    found: list[str] = []
    budget = _MAX_BYTES
    for item in names:
        with archive.open(item) as file:
            # The size in the directory may be wrong, so the budget is kept while reading.
            data = file.read(budget + 1)
        budget -= len(data)
        if budget < 0:
            message = f"the zip holds more than {_MAX_BYTES} bytes of .proto"
            report.add(codes.LIMIT, message, Mark(), "Leave out what is not used.")
            return []
        text = decode(data, report)
        if text is not None:
            found.append(text)
    return found


class _Reader:
    """Goes through the tokens of one file once."""

    def __init__(self, text: str, report: Report) -> None:
        self._report = report
        self._tokens = list(_tokens(text))
        self._next = 0
        self._package = ""

    def services(self) -> list[_Service]:
        found = []
        while (token := self._take()) is not None:
            if token.text == "package":
                self._package = self._word("the package name")
            elif token.text == "service":
                service = self._service()
                if service is not None:
                    found.append(service)
            elif token.text == "{":
                self._skip_block(token)
            elif token.text == "}":
                self._wrong(token, "a } without its {")
        return found

    def _take(self) -> _Token | None:
        if self._next >= len(self._tokens):
            return None
        self._next += 1
        return self._tokens[self._next - 1]

    def _wrong(self, token: _Token, message: str) -> None:
        self._report.add(
            codes.DEFINITION,
            message,
            Mark(token.line, token.column),
            "Mend the proto file.",
        )

    def _word(self, what: str) -> str:
        token = self._take()
        if token is None or not all(map(_IDENTIFIER.fullmatch, token.text.split("."))):
            self._wrong(token or self._tokens[-1], f"expected {what}")
            return ""
        return token.text

    def _service(self) -> _Service | None:
        name = self._word("the name of the service")
        opening = self._take()
        if not name or opening is None or opening.text != "{":
            self._wrong(
                opening or self._tokens[-1], "expected { after the name of the service"
            )
            return None
        methods: list[_Method] = []
        while (token := self._take()) is not None:
            if token.text == "}":
                if methods:
                    return _Service(self._package, name, tuple(methods))
                return None
            if token.text == "rpc":
                method = self._word("the name of the rpc")
                if method:
                    methods.append(_Method(method, self._streams()))
            elif token.text == "{":
                self._skip_block(token)
        self._wrong(opening, f"service {name[:60]} is not closed")
        return None

    def _streams(self) -> bool:
        """Whether it is a stream: `(stream Type)`; a type may be named `stream`."""
        found = False
        while (
            self._next < len(self._tokens)
            and self._tokens[self._next].text not in "{};"
        ):
            texts = [token.text for token in self._tokens[self._next : self._next + 3]]
            found = found or (texts[:2] == ["(", "stream"] and texts[2:] != [")"])
            self._next += 1
        return found

    def _skip_block(self, opening: _Token) -> None:
        depth = 1
        while depth:
            token = self._take()
            if token is None:
                self._wrong(opening, "this { is not closed")
                return
            depth += (token.text == "{") - (token.text == "}")


def _tokens(text: str) -> list[_Token]:
    found, line, start = [], 1, 0
    for match in _TOKEN.finditer(text):
        part = match.group()
        if not part.isspace() and not part.startswith(("//", "/*")):
            found.append(_Token(part, line, match.start() - start + 1))
        newlines = part.count("\n")
        if newlines:
            line += newlines
            start = match.start() + part.rfind("\n") + 1
    return found
