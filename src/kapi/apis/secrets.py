"""Named secrets and certificates: the values of a conf's `secretName` and key. Pure.

The gateway keeps them up to date. Read by the renderers and, through `Place.secret`, by policies.
An organization sees its own secrets only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import field
from types import MappingProxyType
from typing import Final

from kapi.apis import report as codes
from kapi.apis.header_rules import header_value_fault
from kapi.apis.ir import (
    Api,
    ApiKeyCredential,
    BasicCredentials,
    SecretRef,
)
from kapi.apis.ir_contents import (
    client_certificates_in,
    endpoints_in,
    filter_secrets_in,
    password_files_in,
    secret_refs,
)
from kapi.dataclass import dataclass
from kapi.errors import Diagnostic

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_HAS_CONTROL: Final = "it has a line break or another control character"

_USER: Final = re.compile(r"[^\x00-\x1f\x7f:]{1,128}:\{SHA\}[A-Za-z0-9+/]{27}=")
_MOST_USERS: Final = 1000

SecretId = tuple[str, str, str]
"""Organization, name and key."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """A lookup. Its repr shows no value."""

    values: Mapping[SecretId, str] = field(repr=False, hash=False)

    def get(self, organization: str, ref: SecretRef) -> str | None:
        """The value, or None when the organization has no such secret."""
        return self.values.get((organization, ref.name, ref.key))


NO_SECRETS: Final = Secrets(MappingProxyType({}))


def secret_mistakes(api: Api, secrets: Secrets) -> tuple[Diagnostic, ...]:
    """Secrets of the API that are not set, and values that are not what the API uses them as."""
    if not any(secret_refs(api.operations)):
        return ()
    found = (
        *_missing(api, secrets),
        *_unfit_for_endpoints(api, secrets),
        *_unfit_for_clients(api, secrets),
        *_unfit_for_users(api, secrets),
        *_unfit_for_filters(api, secrets),
    )
    return tuple(dict.fromkeys(found))


def _missing(api: Api, secrets: Secrets) -> Iterator[Diagnostic]:
    for ref in dict.fromkeys(secret_refs(api.operations)):
        if secrets.get(api.organization, ref) is None:
            message = f"there is no secret {ref.name} with the key {ref.key}"
            command = f"kapi secret set {ref.name} {ref.key}"
            hint = f"Set it: {command}, or [[secrets.values]] in kapi.toml."
            yield _diagnostic(codes.UNKNOWN_SECRET, message, hint, ref)


def _unfit_for_endpoints(api: Api, secrets: Secrets) -> Iterator[Diagnostic]:
    for endpoint in dict.fromkeys(endpoints_in(api.operations)):
        certificate = endpoint.certificate
        if certificate and _is_no_certificate(
            secrets.get(api.organization, certificate)
        ):
            message = f"the value of {certificate.name} {certificate.key} is not a certificate"
            hint = "It must hold certificates of authorities in PEM form."
            yield _diagnostic(codes.UNFIT_SECRET, message, hint, certificate)
        for ref, fault in _unsendable(endpoint.security, api.organization, secrets):
            message = f"the value of {ref.name} {ref.key} cannot be sent: {fault}"
            yield _diagnostic(codes.UNFIT_SECRET, message, _again(ref), ref)


def _unfit_for_clients(api: Api, secrets: Secrets) -> Iterator[Diagnostic]:
    hint = "It must hold certificates in PEM form."
    for ref in dict.fromkeys(client_certificates_in(api.operations)):
        value = secrets.get(api.organization, ref)
        if value is not None and not _holds_certificates(value):
            message = (
                f"the value of {ref.name} {ref.key} is not a certificate"
                " that clients can be checked against"
            )
            yield _diagnostic(codes.UNFIT_SECRET, message, hint, ref)


def users_in(text: str) -> tuple[str, ...]:
    """The lines of a password file (`htpasswd -s`); none if one of them is not usable."""
    lines = tuple(filter(None, map(str.strip, text.splitlines())))
    names = {line.partition(":")[0] for line in lines}
    if (
        len(names) < len(lines)
        or len(lines) > _MOST_USERS
        or not all(map(_USER.fullmatch, lines))
    ):
        return ()
    return lines


def _unfit_for_users(api: Api, secrets: Secrets) -> Iterator[Diagnostic]:
    hint = f"Write a line of `htpasswd -nbs NAME PASSWORD` for each user, at most {_MOST_USERS}."
    for ref in dict.fromkeys(password_files_in(api.operations)):
        value = secrets.get(api.organization, ref)
        if value is not None and not users_in(value):
            message = f"the value of {ref.name} {ref.key} is not a list of users and passwords"
            yield _diagnostic(codes.UNFIT_SECRET, message, hint, ref)


def _unfit_for_filters(api: Api, secrets: Secrets) -> Iterator[Diagnostic]:
    for item in dict.fromkeys(filter_secrets_in(api.operations)):
        ref, value = item.secret, secrets.get(api.organization, item.secret)
        if value is None:
            continue
        if _CONTROL.search(value):
            message = (
                f"the value of {ref.name} {ref.key} cannot be used: {_HAS_CONTROL}"
            )
            yield _diagnostic(codes.UNFIT_SECRET, message, _again(ref), ref)
        elif len(value) < item.shortest:
            message = f"the value of {ref.name} {ref.key} is too short"
            make = f"openssl rand -hex 32 | tr -d '\\n' | kapi secret set {ref.name} {ref.key}"
            hint = f"It needs {item.shortest} characters at least: {make}"
            yield _diagnostic(codes.UNFIT_SECRET, message, hint, ref)


def _unsendable(
    security: BasicCredentials | ApiKeyCredential | None,
    organization: str,
    secrets: Secrets,
) -> Iterator[tuple[SecretRef, str]]:
    """Values that cannot be sent where the backend looks for them, and why.

    That is a header (RFC 9110 §5.5), a query, or Basic credentials (RFC 7617 §2).
    """

    def value(ref: SecretRef) -> str:
        return secrets.get(organization, ref) or ""

    match security:
        case ApiKeyCredential("Header", _, ref):
            fault = header_value_fault(value(ref))
            if fault:
                yield ref, fault.message.replace("the header value", "it")
        case ApiKeyCredential(_, _, ref):
            if _CONTROL.search(value(ref)):
                yield ref, _HAS_CONTROL
        case BasicCredentials(username, password):
            for ref in (username, password):
                if _CONTROL.search(value(ref)):
                    yield ref, _HAS_CONTROL
            if ":" in value(username):
                yield username, "a user name of Basic credentials has no colon"


def _again(ref: SecretRef) -> str:
    command = f"printf %s VALUE | kapi secret set {ref.name} {ref.key}"
    return f"Set it without, then deploy: {command} (echo would add a line break)."


def _holds_certificates(value: str) -> bool:
    # Here: few APIs have certificates, and importing it is a quarter of importing all policies.
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        certificates = x509.load_pem_x509_certificates(value.encode())
        return bool(certificates) and all(
            item.public_key() and item.extensions is not None for item in certificates
        )
    except (ValueError, UnsupportedAlgorithm):
        return False


def _is_no_certificate(value: str | None) -> bool:
    return value is not None and not (
        "-----BEGIN CERTIFICATE-----" in value and "-----END CERTIFICATE-----" in value
    )


def _diagnostic(code: str, message: str, hint: str, ref: SecretRef) -> Diagnostic:
    return Diagnostic(
        code,
        message,
        hint,
        ref.mark.pointer,
        ref.mark.line,
        ref.mark.column,
        source="apkConfiguration",
    )
