"""Named secrets and certificates as a value: what a conf's `secretName` and key stand for. Pure; the gateway keeps it up to date.

Read by the renderers and, through `Place.secret`, by policies. An organization sees its own secrets only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from kapi.apis import report as codes
from kapi.apis.conf.rules import Fault
from kapi.apis.header_rules import header_value_fault
from kapi.apis.ir import (
    Api,
    ApiKeyCredential,
    BasicCredentials,
    SecretRef,
    client_certificates_in,
    endpoints_in,
    secret_refs,
)
from kapi.errors import Diagnostic

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")

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
    """Secrets that the API names and nobody has set, and values that cannot be what the API takes them for."""
    found: list[Diagnostic] = []
    for ref in dict.fromkeys(secret_refs(api.operations)):
        if secrets.get(api.organization, ref) is None:
            hint = (
                f"Set it: kapi secret set {ref.name} {ref.key}, or [[secrets.values]] in kapi.toml."
            )
            found.append(
                _diagnostic(
                    codes.UNKNOWN_SECRET,
                    f"there is no secret {ref.name} with the key {ref.key}",
                    hint,
                    ref,
                )
            )
    for endpoint in dict.fromkeys(endpoints_in(api.operations)):
        certificate, security = endpoint.certificate, endpoint.security
        if certificate and _is_no_certificate(secrets.get(api.organization, certificate)):
            message = f"the value of {certificate.name} {certificate.key} is no certificate"
            found.append(
                _diagnostic(
                    codes.UNFIT_SECRET,
                    message,
                    "It must hold certificates of authorities in PEM form.",
                    certificate,
                )
            )
        for ref, fault in _unsendable(security, api.organization, secrets):
            message = f"the value of {ref.name} {ref.key} cannot be sent: {fault.message}"
            found.append(_diagnostic(codes.UNFIT_SECRET, message, fault.hint, ref))
    for ref in dict.fromkeys(client_certificates_in(api.operations)):
        value = secrets.get(api.organization, ref)
        if value is not None and not _holds_certificates(value):
            message = f"the value of {ref.name} {ref.key} is no certificate that clients can be checked against"
            found.append(
                _diagnostic(
                    codes.UNFIT_SECRET, message, "It must hold certificates in PEM form.", ref
                )
            )
    return tuple(dict.fromkeys(found))


def _unsendable(
    security: BasicCredentials | ApiKeyCredential | None, organization: str, secrets: Secrets
) -> Iterator[tuple[SecretRef, Fault]]:
    """Values that cannot stand where the backend looks for them: a header (RFC 9110 §5.5), a query, Basic credentials (RFC 7617 §2)."""
    match security:
        case ApiKeyCredential("Header", _, ref):
            if fault := header_value_fault(secrets.get(organization, ref) or ""):
                yield ref, Fault(fault.message.replace("the header value", "it"), _again(ref))
        case ApiKeyCredential(_, _, ref):
            if _CONTROL.search(secrets.get(organization, ref) or ""):
                yield ref, Fault("it has a line break or another control character", _again(ref))
        case BasicCredentials(username, password):
            for ref in (username, password):
                if _CONTROL.search(secrets.get(organization, ref) or ""):
                    yield (
                        ref,
                        Fault("it has a line break or another control character", _again(ref)),
                    )
            if ":" in (secrets.get(organization, username) or ""):
                yield (
                    username,
                    Fault("a user name of Basic credentials has no colon", _again(username)),
                )


def _again(ref: SecretRef) -> str:
    return f"Set it without, then deploy: printf %s VALUE | kapi secret set {ref.name} {ref.key} (echo would add a line break)."


def _holds_certificates(value: str) -> bool:
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
