"""Rules for the texts inside an apk-conf: endpoint URLs, targets, base paths, host labels. Pure.

Each function returns a value or a `Fault` (what is wrong and what to write instead). Called by
`reading.py`, `compile.py`, `merge.py` and the kinds of API.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from kapi.addresses import is_label
from kapi.apis.ir import Endpoint
from kapi.dataclass import dataclass

MAX_OPERATIONS: Final = 2000
_UNRESERVED_SEGMENT: Final = re.compile(r"[A-Za-z0-9._~-]+")
_TARGET_CHARS: Final = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@/{}-]+")
_PARAMETER: Final = re.compile(r"\{([^{}]*)\}")
_PARAMETER_NAME: Final = re.compile(r"[A-Za-z0-9._~:@$-]+")
_HOST_LABEL: Final = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_URL_PATH: Final = re.compile(r"(/([A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*)*")
_VISIBLE_ASCII: Final = re.compile(r"[!-~]*")
_MAX_HOST: Final = 253
_MAX_LABEL: Final = 63
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_SHOWN: Final = 80
"""Characters of a text that a message repeats."""
_EXAMPLE: Final = "Write it as http://host:port/path."
_PORT_HINT: Final = "Use a port from 1 to 65535."


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a text cannot be used, and what to write instead."""

    message: str
    hint: str = ""


_Rules = tuple[tuple[Callable[[str], bool], str, str], ...]
"""What is wrong, and the message and hint for it; `{text}` is the start of the text."""


def _first_fault(text: str, rules: _Rules) -> Fault | None:
    for is_wrong, message, hint in rules:
        if is_wrong(text):
            start = text[:_SHOWN]
            return Fault(
                message.replace("{text}", start), hint.replace("{text}", start)
            )
    return None


def endpoint_of(url: str) -> Endpoint | Fault:
    """A backend URL as an endpoint (RFC 3986 §3, http and https)."""
    fault = _first_fault(url, _URL_RULES)
    if fault is not None:
        return fault
    scheme, _, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    address = _address(authority)
    if isinstance(address, Fault):
        return address
    host, port = address
    path = (slash + path).rstrip("/")
    if not _URL_PATH.fullmatch(path) or _has_dot_segment(path):
        return Fault(
            "endpoint has a path that is not plain",
            "Percent-encode special characters; leave out `.` and `..` segments.",
        )
    scheme = scheme.lower()
    if port is None:
        port = _DEFAULT_PORTS[scheme]
    return Endpoint(scheme, host, port, path)


def _is_not_plain_ascii(url: str) -> bool:
    return _VISIBLE_ASCII.fullmatch(url) is None


def _has_other_scheme(url: str) -> bool:
    scheme, separator, _ = url.partition("://")
    return not separator or scheme.lower() not in _DEFAULT_PORTS


def _has_query_or_fragment(text: str) -> bool:
    return not {"?", "#"}.isdisjoint(text)


def _has_user_info(url: str) -> bool:
    return "@" in url.partition("://")[2].partition("/")[0]


_URL_RULES: Final[_Rules] = (
    (
        _is_not_plain_ascii,
        "endpoint has spaces, control or non-ASCII characters",
        "Percent-encode the path; write such a host in its xn-- form.",
    ),
    (_has_other_scheme, "endpoint [{text}] is not an http or https URL", _EXAMPLE),
    (
        _has_query_or_fragment,
        "endpoint has a query or fragment",
        "Remove everything from `?` or `#` on.",
    ),
    (
        _has_user_info,
        "endpoint has a user name or password in it",
        "Remove the part before `@`; it would be in every log.",
    ),
)


def _address(authority: str) -> tuple[str, int | None] | Fault:
    """Host and port; None for the default port."""
    shown = authority[:_SHOWN]
    try:
        parts = urlsplit(f"//{authority}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return Fault(f"endpoint has no valid host and port: [{shown}]", _PORT_HINT)
    if port == 0 or authority.endswith(":"):
        return Fault(f"endpoint has no valid port: [{shown}]", _PORT_HINT)
    if (
        not _is_host(host, bracketed=authority.startswith("["))
        or authority.count("[") > 1
    ):
        return Fault(f"endpoint has no valid host: [{shown}]", _EXAMPLE)
    return host, port


def target_fault(target: str) -> Fault | None:
    """Why a REST target cannot be matched, if it cannot."""
    return _first_fault(target, _TARGET_RULES)


def _has_dot_or_empty_segment(target: str) -> bool:
    return "//" in target or _has_dot_segment(target)


def _has_bad_parameter(target: str) -> bool:
    rest = _PARAMETER.sub("", target)
    if not {"{", "}"}.isdisjoint(rest):
        return True
    names = _PARAMETER.findall(target)
    return not all(map(_PARAMETER_NAME.fullmatch, names))


def _has_inner_wildcard(target: str) -> bool:
    inner = target.removesuffix("/*")
    return "*" in _PARAMETER.sub("", inner)


_TARGET_RULES: Final[_Rules] = (
    (
        lambda target: not target.startswith("/"),
        "target [{text}] does not start with /",
        "Write /{text}.",
    ),
    (
        _has_query_or_fragment,
        "target has a query or fragment",
        "Write the path only; query parameters always pass.",
    ),
    (
        lambda target: "%" in target,
        "target has a percent-encoded character",
        "Use plain characters, or a {parameter} for that segment.",
    ),
    (
        lambda target: not _TARGET_CHARS.fullmatch(target),
        "target has a character that is not possible in a path",
        "Use letters, digits and -._~!$&'()*+,;=:@",
    ),
    (
        _has_dot_or_empty_segment,
        "target has an empty, `.` or `..` segment",
        "The gateway removes such segments before it matches; leave them out.",
    ),
    (
        _has_bad_parameter,
        "target [{text}] has unbalanced or unnamed {parameters}",
        "Write each as {name}.",
    ),
    (
        lambda target: "}{" in target,
        "target has two parameters with nothing between them",
        "Put a character between them.",
    ),
    (
        _has_inner_wildcard,
        "target has * elsewhere than as its last segment",
        "Write /path/* for everything below /path.",
    ),
)


def definition_path_fault(path: str) -> Fault | None:
    """Why a definition cannot be served at a path below the base path, if it cannot."""
    fault = target_fault(path)
    if fault is not None:
        return Fault(fault.message.replace("target", "definitionPath", 1), fault.hint)
    is_pattern = not {"{", "*"}.isdisjoint(path)
    if is_pattern or not path.strip("/"):
        return Fault(
            "definitionPath is not a fixed path",
            "Write a path such as /api-definition.",
        )
    return None


def plain_target(path: str) -> str:
    """A path of a definition without a query or fragment.

    A query always passes, and a fragment is never sent (RFC 9110 §4.2.5).
    """
    return re.split(r"[?#]", path, maxsplit=1)[0]


def target_key(target: str) -> str:
    """The target without parameter names and the last slash: equal for targets that are one."""
    return _PARAMETER.sub("{}", target).rstrip("/") or "/"


def operation_key(target: str) -> str:
    """The target without its parameter names: two operations of one verb must differ in it.

    `/a` and `/a/` do.
    """
    return _PARAMETER.sub("{}", target)


def base_path_fault(base_path: str) -> Fault | None:
    """Why a base path cannot be served, if it cannot."""
    return _first_fault(base_path, _BASE_PATH_RULES)


def _has_other_characters(base_path: str) -> bool:
    return not all(map(_UNRESERVED_SEGMENT.fullmatch, base_path[1:].split("/")))


_PLAIN_HINT: Final = "Use letters, digits, `-`, `.`, `_` and `~`."
_BASE_PATH_RULES: Final[_Rules] = (
    (
        lambda path: not path.startswith("/"),
        "basePath [{text}] does not start with /",
        "Write /{text}.",
    ),
    (
        lambda path: path == "/",
        "basePath / has no first segment",
        "Name the API in it, such as /petstore.",
    ),
    (lambda path: "%" in path, "basePath has a percent-encoded character", _PLAIN_HINT),
    (
        lambda path: "" in path[1:].split("/"),
        "basePath has an empty segment",
        "Remove the double or last slash.",
    ),
    (
        lambda path: bool({".", ".."} & set(path.split("/"))),
        "basePath has a `.` or `..` segment",
        "Write the plain path.",
    ),
    (
        _has_other_characters,
        "basePath has a character that is not possible in a path",
        _PLAIN_HINT,
    ),
)


def version_fault(version: str) -> Fault | None:
    """Why a version cannot be a path segment, if it cannot."""
    if version in (".", "..") or not _UNRESERVED_SEGMENT.fullmatch(version):
        return Fault(
            "version cannot be part of a path", "Use letters, digits, `.`, `_` and `-`."
        )
    return None


def label_fault(what: str, text: str) -> Fault | None:
    """Why an organization or environment cannot be in a host name (RFC 1123 §2.1), if it cannot."""
    if is_label(text):
        return None
    hint = "Use lower-case letters, digits and `-`, at most 63."
    if is_label(text.lower()):
        hint = f"Write {text.lower()}."
    return Fault(f"{what} [{text[:80]}] cannot be part of a host name", hint)


def host_label(organization: str, environment: str) -> str:
    """The first label of the hosts an API is served on: `<organization>[-<environment>]`."""
    if environment:
        return f"{organization}-{environment}"
    return organization


def host_label_fault(organization: str, environment: str) -> Fault | None:
    """Why both together are not a host label; each alone is checked by `label_fault`."""
    if len(host_label(organization, environment)) > _MAX_LABEL:
        return Fault(
            "organization and environment together are longer than 63 characters",
            "Use a shorter environment.",
        )
    return None


def _has_dot_segment(path: str) -> bool:
    segments = path.lower().replace("%2e", ".").split("/")
    return not {".", ".."}.isdisjoint(segments)


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
    return len(host) <= _MAX_HOST and all(map(_HOST_LABEL.fullmatch, labels))
