"""Rules for the policies that look into a call: Interceptor, BackendJwt, LuaInterceptor, WASMInterceptor. Called by `reading.py`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final
from urllib.parse import urlsplit

from kapi.apis import report as codes
from kapi.apis.claims import claim_value
from kapi.apis.conf.rules import Fault, endpoint_of
from kapi.apis.conf.yaml_positions import Mapping, Scalar, Sequence, key_mark, mark
from kapi.apis.report import Report, below
from kapi.apis.reserved_headers import may_hold_backend_jwt

_REQUEST_ONLY: Final = ("BackendJwt",)
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_FILE_URL: Final = re.compile(r"file:[A-Za-z0-9][A-Za-z0-9._-]*")

Check = Callable[[Mapping, str, Report], None]


def check_mediation(root: Mapping, report: Report) -> None:
    """Add every mistake in the parameters of these policies, at the API and at its operations."""
    for flow, item, pointer in _items(root):
        kind = _text(item, "policyName")
        if kind in _REQUEST_ONLY and flow == "response":
            message = f"{kind} acts on requests only"
            report.add(
                codes.COMBINATION, message, mark(item, pointer), "Move it to the request list."
            )
        parameters = item.entries.get("parameters")
        check = _CHECKS.get(kind)
        if check is not None and isinstance(parameters, Mapping):
            check(parameters, below(pointer, "parameters"), report)


def _items(root: Mapping) -> Iterator[tuple[str, Mapping, str]]:
    yield from _listed(root, "apiPolicies", "#")
    operations = root.entries.get("operations")
    for index, operation in enumerate(operations.items if isinstance(operations, Sequence) else ()):
        if isinstance(operation, Mapping):
            yield from _listed(operation, "operationPolicies", below("#/operations", index))


def _listed(owner: Mapping, name: str, pointer: str) -> Iterator[tuple[str, Mapping, str]]:
    lists = owner.entries.get(name)
    for flow in ("request", "response"):
        items = lists.entries.get(flow) if isinstance(lists, Mapping) else None
        for index, item in enumerate(items.items if isinstance(items, Sequence) else ()):
            if isinstance(item, Mapping):
                yield flow, item, below(below(below(pointer, name), flow), index)


def _interceptor(parameters: Mapping, pointer: str, report: Report) -> None:
    url = parameters.entries.get("backendUrl")
    if (
        isinstance(url, Scalar)
        and isinstance(url.value, str)
        and isinstance(fault := endpoint_of(url.value), Fault)
    ):
        message = fault.message.replace("endpoint", "backendUrl", 1)
        report.add(codes.ENDPOINT, message, mark(url, below(pointer, "backendUrl")), fault.hint)
    given = [name for name in ("tlsSecretName", "tlsSecretKey") if name in parameters.entries]
    if len(given) == 1:
        other = "tlsSecretKey" if given[0] == "tlsSecretName" else "tlsSecretName"
        report.add(
            codes.COMBINATION,
            f"{given[0]} without {other}",
            key_mark(parameters, given[0], pointer),
            f"Add {other}, or remove it.",
        )


def _backend_jwt(parameters: Mapping, pointer: str, report: Report) -> None:
    header = _text(parameters, "header")
    if header and (not _HEADER_NAME.fullmatch(header) or not may_hold_backend_jwt(header)):
        hint = "Use a header of its own, such as X-JWT-Assertion."
        report.add(
            codes.FORMAT,
            f"header [{header[:60]}] cannot carry the JWT",
            key_mark(parameters, "header", pointer),
            hint,
        )
    claims = parameters.entries.get("customClaims")
    for index, item in enumerate(claims.items if isinstance(claims, Sequence) else ()):
        if not isinstance(item, Mapping):
            continue
        value = claim_value(_text(item, "value"), _text(item, "type") or "string")
        here = below(below(pointer, "customClaims"), index)
        if isinstance(value, Fault) and not report.has_within(here):
            report.add(
                codes.FORMAT, f"value {value.message}", key_mark(item, "value", here), value.hint
            )


def _lua(parameters: Mapping, pointer: str, report: Report) -> None:
    given = [name for name in ("sourceCode", "sourceCodeRef") if name in parameters.entries]
    if len(given) != 1:
        hint = "Write the script as sourceCode, or name where it is kept by sourceCodeRef."
        report.add(
            codes.COMBINATION,
            "LuaInterceptor needs one of sourceCode and sourceCodeRef",
            mark(parameters, pointer),
            hint,
        )
    source = _text(parameters, "sourceCode")
    if "\x00" in source or source.lstrip("\r\n").startswith("\x1b"):
        message = "sourceCode is not the text of a script"
        report.add(
            codes.FORMAT,
            message,
            key_mark(parameters, "sourceCode", pointer),
            "Give the source, not compiled code.",
        )


def _wasm(parameters: Mapping, pointer: str, report: Report) -> None:
    if "image" in parameters.entries:
        hint = (
            "Give a url: https://host/module.wasm, or file:NAME for a file in gateway.wasm.folder."
        )
        report.add(
            codes.NOT_SUPPORTED,
            "image is not supported: modules do not come from OCI registries",
            key_mark(parameters, "image", pointer),
            hint,
        )
        return
    url = _text(parameters, "url")
    if "url" not in parameters.entries:
        hint = "Give https://host/module.wasm, or file:NAME for a file in gateway.wasm.folder."
        report.add(codes.MISSING, "required key [url] not found", mark(parameters, pointer), hint)
    elif not _is_module_url(url):
        hint = "Write https://host/module.wasm, or file:NAME for a file in gateway.wasm.folder."
        report.add(
            codes.ENDPOINT,
            f"url [{url[:80]}] leads to no module",
            key_mark(parameters, "url", pointer),
            hint,
        )


def _is_module_url(url: str) -> bool:
    if _FILE_URL.fullmatch(url):
        return True
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    plain = url.isascii() and url.isprintable() and " " not in url
    return (
        plain
        and parts.scheme in ("http", "https")
        and bool(parts.hostname)
        and parts.username is None
    )


def _text(mapping: Mapping, name: str) -> str:
    node = mapping.entries.get(name)
    return node.value if isinstance(node, Scalar) and isinstance(node.value, str) else ""


_CHECKS: Final[dict[str, Check]] = {
    "Interceptor": _interceptor,
    "BackendJwt": _backend_jwt,
    "LuaInterceptor": _lua,
    "WASMInterceptor": _wasm,
}
