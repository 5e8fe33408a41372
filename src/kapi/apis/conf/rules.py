"""Rules for the texts inside an apk-conf: endpoint URLs, targets, base paths, host labels. Pure functions of one text each.

Each answers a value or a `Fault` (what is wrong and what to write instead). Called by `reading.py`, `compile.py` and `merge.py`.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from kapi.addresses import is_label
from kapi.apis.ir import Endpoint

MAX_OPERATIONS: Final = 2000
_UNRESERVED_SEGMENT: Final = re.compile(r"[A-Za-z0-9._~-]+")
_TARGET_CHARS: Final = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@/{}-]+")
_PARAMETER: Final = re.compile(r"\{([^{}]*)\}")
_PARAMETER_NAME: Final = re.compile(r"[A-Za-z0-9._~:@$-]+")
_HOST_LABEL: Final = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_URL_PATH: Final = re.compile(r"(/([A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*)*")
_MAX_HOST: Final = 253
_MAX_LABEL: Final = 63
_MAX_PORT: Final = 65535
_EXAMPLE: Final = "Write it as http://host:port/path."


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a text cannot be used, and what to write instead."""

    message: str
    hint: str = ""


def endpoint_of(url: str) -> Endpoint | Fault:
    """A backend URL as an endpoint (RFC 3986 §3, http and https)."""
    if not url.isascii() or any(char <= " " or char == "\x7f" for char in url):
        return Fault(
            "endpoint has spaces, control or non-ASCII characters",
            "Percent-encode the path; write such a host in its xn-- form.",
        )
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.lower() not in ("http", "https"):
        return Fault(f"endpoint [{url[:80]}] is not an http or https URL", _EXAMPLE)
    if "?" in rest or "#" in rest:
        return Fault("endpoint has a query or fragment", "Remove everything from `?` or `#` on.")
    authority, slash, path = rest.partition("/")
    if "@" in authority:
        return Fault(
            "endpoint has a user name or password in it",
            "Remove the part before `@`; it would stand in every log.",
        )
    try:
        parts = urlsplit(f"//{authority}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return Fault(
            f"endpoint has no valid host and port: [{authority[:80]}]",
            "Use a port from 1 to 65535.",
        )
    if (port is not None and not 1 <= port <= _MAX_PORT) or authority.endswith(":"):
        return Fault(
            f"endpoint has no valid port: [{authority[:80]}]", "Use a port from 1 to 65535."
        )
    if not _is_host(host, bracketed=authority.startswith("[")) or authority.count("[") > 1:
        return Fault(f"endpoint has no valid host: [{authority[:80]}]", _EXAMPLE)
    path = (slash + path).rstrip("/")
    if not _URL_PATH.fullmatch(path) or _has_dot_segment(path):
        return Fault(
            "endpoint has a path that is not plain",
            "Percent-encode special characters; leave out `.` and `..` segments.",
        )
    default_port = 443 if scheme.lower() == "https" else 80
    return Endpoint(scheme.lower(), host, default_port if port is None else port, path)


def target_fault(target: str) -> Fault | None:
    """Why a REST target cannot be matched, if it cannot."""
    if not target.startswith("/"):
        return Fault(f"target [{target[:80]}] does not start with /", f"Write /{target[:80]}.")
    if "?" in target or "#" in target:
        return Fault(
            "target has a query or fragment", "Write the path only; query parameters always pass."
        )
    if "%" in target:
        return Fault(
            "target has a percent-encoded character",
            "Use plain characters, or a {parameter} for that segment.",
        )
    if not _TARGET_CHARS.fullmatch(target):
        return Fault(
            "target has a character that cannot stand in a path",
            "Use letters, digits and -._~!$&'()*+,;=:@",
        )
    if "//" in target or _has_dot_segment(target):
        return Fault(
            "target has an empty, `.` or `..` segment",
            "The gateway removes such segments before it matches; leave them out.",
        )
    names = _PARAMETER.findall(target)
    rest = _PARAMETER.sub("", target)
    if "{" in rest or "}" in rest or any(not _PARAMETER_NAME.fullmatch(name) for name in names):
        return Fault(
            f"target [{target[:80]}] has unbalanced or unnamed {{parameters}}",
            "Write each as {name}.",
        )
    if "}{" in target:
        return Fault(
            "target has two parameters with nothing between them", "Put a character between them."
        )
    if "*" in rest and (rest.count("*") > 1 or not target.endswith("/*")):
        return Fault(
            "target has * elsewhere than as its last segment",
            "Write /path/* for everything below /path.",
        )
    return None


def definition_path_fault(path: str) -> Fault | None:
    """Why a definition cannot be served at a path below the base path, if it cannot."""
    fault = target_fault(path)
    if fault is not None:
        return Fault(fault.message.replace("target", "definitionPath", 1), fault.hint)
    if "{" in path or "*" in path or not path.strip("/"):
        return Fault("definitionPath is no fixed path", "Write a path such as /api-definition.")
    return None


def plain_target(path: str) -> str:
    """A path of a definition without a query or fragment: a query always passes, and a fragment is never sent (RFC 9110 §4.2.5)."""
    return re.split(r"[?#]", path, maxsplit=1)[0]


def target_key(target: str) -> str:
    """The target without what does not tell it apart from another one: parameter names and the last slash."""
    return _PARAMETER.sub("{}", target).rstrip("/") or "/"


def operation_key(target: str) -> str:
    """The target without its parameter names: two operations of one verb must differ in it. `/a` and `/a/` do."""
    return _PARAMETER.sub("{}", target)


def base_path_fault(base_path: str) -> Fault | None:
    """Why a base path cannot be served, if it cannot."""
    if not base_path.startswith("/"):
        return Fault(
            f"basePath [{base_path[:80]}] does not start with /", f"Write /{base_path[:80]}."
        )
    if base_path == "/":
        return Fault("basePath / has no first segment", "Name the API in it, such as /petstore.")
    if "%" in base_path:
        return Fault(
            "basePath has a percent-encoded character",
            "Use letters, digits, `-`, `.`, `_` and `~`.",
        )
    segments = base_path[1:].split("/")
    if "" in segments:
        return Fault("basePath has an empty segment", "Remove the double or last slash.")
    if any(segment in (".", "..") for segment in segments):
        return Fault("basePath has a `.` or `..` segment", "Write the plain path.")
    if not all(_UNRESERVED_SEGMENT.fullmatch(segment) for segment in segments):
        return Fault(
            "basePath has a character that cannot stand in it",
            "Use letters, digits, `-`, `.`, `_` and `~`.",
        )
    return None


def version_fault(version: str) -> Fault | None:
    """Why a version cannot be a path segment, if it cannot."""
    if version in (".", "..") or not _UNRESERVED_SEGMENT.fullmatch(version):
        return Fault("version cannot stand in a path", "Use letters, digits, `.`, `_` and `-`.")
    return None


def label_fault(what: str, text: str) -> Fault | None:
    """Why an organization or environment cannot be part of a host name (RFC 1123 §2.1), if it cannot."""
    if is_label(text):
        return None
    hint = (
        f"Write {text.lower()}."
        if is_label(text.lower())
        else "Use lower-case letters, digits and `-`, at most 63."
    )
    return Fault(f"{what} [{text[:80]}] cannot be part of a host name", hint)


def host_label(organization: str, environment: str) -> str:
    """The first label of the hosts an API is served on: `<organization>[-<environment>]`."""
    return f"{organization}-{environment}" if environment else organization


def host_label_fault(organization: str, environment: str) -> Fault | None:
    """Why both together are no host label; each alone is checked by `label_fault`."""
    if len(host_label(organization, environment)) > _MAX_LABEL:
        return Fault(
            "organization and environment together are longer than 63 characters",
            "Use a shorter environment.",
        )
    return None


def _has_dot_segment(path: str) -> bool:
    return any(segment.lower().replace("%2e", ".") in (".", "..") for segment in path.split("/"))


def _is_host(host: str, *, bracketed: bool) -> bool:
    if bracketed:
        try:
            return ipaddress.IPv6Address(host).scope_id is None
        except ValueError:
            return False
    labels = host.removesuffix(".").split(".")
    if labels[-1].isdecimal() or labels[-1].startswith("0x"):
        try:
            ipaddress.IPv4Address(host)
        except ValueError:
            return False
        return True
    return len(host) <= _MAX_HOST and all(_HOST_LABEL.fullmatch(label) for label in labels)
