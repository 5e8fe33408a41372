"""What Envoy writes to its standard error, on its way to `logs/envoy.log`.

Called by the supervisor. When a thread of Envoy dies, Envoy prints the request that it was working
on, with all headers and the bytes of the connection; at the level `debug` it prints every request.
So a thread reads its output through a pipe, removes what may be a credential, and remembers which
API was served. Standard library only: the supervisor stays small.
"""

from __future__ import annotations

import os
import re
import threading
from pathlib import Path

from kapi.dataclass import dataclass
from kapi.log_files import open_log

_REMOVED = "[removed]"
_LONGEST_LINE = 64 * 1024
_SHOWN_HEADERS = frozenset({
    ":authority", ":method", ":scheme", ":status", "host", "accept", "content-length",
    "content-type", "user-agent", "x-request-id",
})  # fmt: skip
_HEADER = re.compile(r"^(?P<start>.*?')(?P<name>:?[A-Za-z0-9_.-]+)', '(?P<value>.*)'$")
_TO_THE_END = re.compile(
    r"((?:contents|current_header_field_|current_header_value_|completed header): ).*$"
)
_SIGN_IN = re.compile(r"(Responding with \d+ \w+\. Cause: [^:]*: ).*$")
"""The filter that signs browsers in ends the cause with what a browser has sent."""
_TOKENS = re.compile(
    r"eyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?|kapi_[0-9a-f]+_[\w-]+"
    r"|(?i:\b(?:bearer|basic|dpop)[ +][^\s'\",;\]]+)"
)
_QUERY = re.compile(r"(?<=[\w/%.~-])\?[^\s'\"]+")
_HEADER_PAIR = re.compile(r"(OnHeaderForStream\(\d+, \[[^\]]*\], \[).*(\]\))")
_ROUTE = re.compile(r"getRouteName\(\): (\S.*?)(?:\s+upstream_info_|$)")
_TRIES_AGAIN = re.compile(
    r"(\S+ gRPC config stream to \S+ closed since \d*?)\d?s ago: "
)
_STUCK = "Watchdog AbortAction terminating thread"
_CAUGHT = re.compile(r"Caught ([A-Z][A-Za-z ]+), suspect")


@dataclass(frozen=True, slots=True)
class Death:
    """What Envoy's last words say about its end; a text is empty where they say nothing."""

    reason: str = ""
    route: str = ""
    """Name of the route: the id of the API, the verb and the target."""
    host: str = ""
    path: str = ""

    def __str__(self) -> str:
        """A part of a sentence that begins with `envoy`."""
        served = ""
        if self.route:
            served = f"it served {self.route}"
        called = ""
        if self.host:
            called = f"a call of {self.host}{self.path}"
        during = " for ".join(filter(None, (served, called)))
        what = self.reason or "ended unexpectedly"
        if served:
            return f"{what} while {during}"
        if called:
            return f"{what} during {called}"
        return what


def cleaned(line: str) -> str:
    """The line without what may be a credential: header values, queries, tokens, raw bytes."""
    found = _HEADER.match(line)
    if found:
        name, value = found["name"].lower(), found["value"]
        if name == ":path":
            value = value.partition("?")[0]
        elif name not in _SHOWN_HEADERS:
            value = _REMOVED
        line = f"{found['start']}{found['name']}', '{value}'"
    line = _TO_THE_END.sub(rf"\g<1>{_REMOVED}", line)
    line = _SIGN_IN.sub(rf"\g<1>{_REMOVED}", line)
    line = _HEADER_PAIR.sub(rf"\g<1>{_REMOVED}\g<2>", line)
    line = _QUERY.sub(f"?{_REMOVED}", line)
    return _TOKENS.sub(_REMOVED, line)


class Output:
    """The pipe and the file of one Envoy after the other."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread: threading.Thread | None = None
        self._death: dict[str, str] = {}
        self._tried = ""

    def begin(self) -> int:
        """A descriptor for a new process; the caller closes its own copy after the start."""
        self._join()
        self._death = {}
        read, write = os.pipe()
        self._thread = threading.Thread(
            target=self._copy, args=(read,), name="envoy-output", daemon=True
        )
        self._thread.start()
        return write

    def death(self) -> Death:
        """What the process that has just ended was doing."""
        self._join()
        return Death(**self._death)

    def reopen(self) -> None:
        """Make the file again after it was renamed."""
        os.close(open_log(self._path))

    def _join(self) -> None:
        if self._thread is not None:
            self._thread.join(5)

    def _copy(self, descriptor: int) -> None:
        rest, too_long = b"", False
        with os.fdopen(descriptor, "rb", buffering=0) as pipe:
            while piece := pipe.read(64 * 1024):
                *lines, rest = (rest + piece).split(b"\n")
                if lines and too_long:
                    # The rest of a line of which the beginning was left out.
                    lines, too_long = [b"[a line that is too long]", *lines[1:]], False
                if len(rest) > _LONGEST_LINE:
                    rest, too_long = b"", True
                self._write([line.decode("utf-8", "replace") for line in lines])
        if rest and not too_long:
            self._write([rest.decode("utf-8", "replace")])

    def _write(self, lines: list[str]) -> None:
        lines = [line for line in lines if not self._is_again(line)]
        if not lines:
            return
        for line in lines:
            self._remember(line)
        # Opened each time: the file may have been moved away.
        with os.fdopen(open_log(self._path), "ab") as log:
            log.write("".join(f"{cleaned(line)}\n" for line in lines).encode())

    def _is_again(self, line: str) -> bool:
        """Whether Envoy has said within these ten seconds that it has no control process.

        It tries ten times a second, and each time writes half a kilobyte.
        """
        found = _TRIES_AGAIN.search(line)
        if found is None:
            return False
        before, self._tried = self._tried, found[1]
        return before == self._tried

    def _remember(self, line: str) -> None:
        if _STUCK in line:
            self._death["reason"] = "had a thread that did not come back"
        elif (caught := _CAUGHT.search(line)) and "reason" not in self._death:
            self._death["reason"] = f"died of {caught[1].lower()}"
        if "reason" not in self._death:
            return
        found = _HEADER.match(line)
        if found:
            field = {":authority": "host", ":path": "path"}.get(found["name"], "")
            if field and field not in self._death:
                self._death[field] = found["value"].partition("?")[0][:200]
        elif (route := _ROUTE.search(line)) and "route" not in self._death:
            self._death["route"] = route[1][:200]
