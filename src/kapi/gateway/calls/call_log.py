"""Reads the access log: the newest calls, those after a place, and one by its request id.

Envoy writes the file (`gateway/envoy/resources/logs`), and the supervisor sets a large one aside as
`access.log.1`. Called by the logs API. The reading of one request is limited in bytes.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from kapi.dataclass import dataclass
from kapi.gateway.calls.lines import Call, read_line

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9-]{8,64}")
_BLOCK: Final = 256 * 1024
_MOST_BYTES: Final = 64 * 1024 * 1024
"""Bytes that one question reads at most."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which calls: of these organizations, of an API, only those that did not pass."""

    organization: str
    with_system: bool = False
    """Also calls of the platform's own hosts, and those that no API answered."""
    api: str = ""
    refused: bool = False
    but: str = ""
    """The path of a system API whose answered calls are left out."""

    def takes(self, call: Call) -> bool:
        """Whether it is one of them."""
        if self.but and _is_answered(call, self.but):
            return False
        owner = call.get("organization")
        if owner != self.organization and (owner or not self.with_system):
            return False
        if self.api and call.get("api") != self.api:
            return False
        return not self.refused or call.get("decision") != "allowed"


def _is_answered(call: Call, path: str) -> bool:
    """Whether a system API at this path answered with what was asked for."""
    _, slash, rest = str(call.get("url", "")).partition("/")
    return "api" not in call and call.get("status") == 200 and slash + rest == path


class CallLog:
    """The files of the access log."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._older = path.with_suffix(".log.1")

    def newest(self, wanted: Wanted, most: int) -> tuple[list[Call], str]:
        """At most `most` calls, the newest last, and the place after them."""
        place, found, left = self._end(), [], _MOST_BYTES
        for path in (self._path, self._older):
            for line in newest_lines(path, left):
                left -= len(line)
                if (call := _read(line)) is not None and wanted.takes(call):
                    found.append(call)
                    if len(found) >= most:
                        return found[::-1], place
        return found[::-1], place

    def after(self, place: str, wanted: Wanted, most: int) -> tuple[list[Call], str]:
        """At most `most` calls after a place that was returned before, and the next place."""
        number, at = _read_place(place)
        files = [path for path in (self._older, self._path) if path.exists()]
        names = [str(path.stat().st_ino) for path in files]
        start = 0
        if number in names:
            start = names.index(number)
        else:
            number, at = "", 0  # It was set aside twice since.
        found: list[Call] = []
        for name, path in zip(names[start:], files[start:], strict=True):
            if name != number:
                at = 0
            for line in _forwards(path, at):
                at += len(line)
                if (call := _read(line)) is not None and wanted.takes(call):
                    found.append(call)
                if len(found) >= most:
                    return found, f"{name}-{at}"
            number, place = name, f"{name}-{at}"
        return found, place

    def of(self, request_id: str, wanted: Wanted) -> Call | None:
        """The call with this request id, or None."""
        if not _REQUEST_ID.fullmatch(request_id):
            return None
        text = f'"request_id":"{request_id}"'.encode("ascii")
        for path in (self._path, self._older):
            for line in _lines_with(path, text):
                if (call := _read(line)) is not None and wanted.takes(call):
                    return call
        return None

    def _end(self) -> str:
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return ""
        return f"{status.st_ino}-{status.st_size}"


def _read_place(place: str) -> tuple[str, int]:
    """The number of a file, and the offset in it."""
    number, _, offset = place.partition("-")
    if offset.isascii() and offset.isdigit():
        return number, int(offset)
    return number, 0


def _read(line: bytes) -> Call | None:
    try:
        return read_line(line)
    except ValueError:
        return None  # Envoy is writing it.


def newest_lines(path: Path, most: int, until: int | None = None) -> Iterator[bytes]:
    """The whole lines of a file, the last one first, of its last `most` bytes.

    `until` is the offset of its end, if what is written later does not count.
    """
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        end = file.seek(0, 2)
        if until is not None:
            end = min(end, until)
        first = max(0, end - most)
        rest = b""
        while end > first:
            start = max(first, end - _BLOCK)
            file.seek(start)
            rest, *lines = (file.read(end - start) + rest).split(b"\n")
            yield from filter(None, reversed(lines))
            end = start
        if rest and not first:
            yield rest


def _forwards(path: Path, at: int) -> Iterator[bytes]:
    """The whole lines after a place, each with its end."""
    with path.open("rb") as file:
        file.seek(at)
        left = _MOST_BYTES
        for line in file:
            left -= len(line)
            if not line.endswith(b"\n") or left < 0:
                return
            yield line


def _lines_with(path: Path, text: bytes) -> Iterator[bytes]:
    """The lines that contain a text, the last one first."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        if not file.seek(0, 2):
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            end = len(content)
            while (found := content.rfind(text, 0, end)) >= 0:
                start = content.rfind(b"\n", 0, found) + 1
                stop = content.find(b"\n", found)
                yield content[start : len(content) if stop < 0 else stop]
                end = start
