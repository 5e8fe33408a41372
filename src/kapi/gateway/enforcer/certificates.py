"""The verdict on a client certificate at an API (apk-conf `authentication` of type mTLS). Pure.

`policies/lua/certificate.lua` asks once for each certificate and each set of accepted ones, and
keeps the answer until the moment that it names. Called by `front/web/enforcer/questions.py`.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any
from urllib.parse import unquote_to_bytes

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from kapi import error_codes
from kapi.client_certificates import Authorities, in_time, last_second
from kapi.dataclass import dataclass
from kapi.errors import Problem
from kapi.json_reading import NotJson, read_json

REFUSED_SECONDS = 60
"""How long a refusal counts: the certificate may become valid."""
UNDATED_SECONDS = 3600
"""How long a pinned certificate counts whose dates do not."""
_NO_DIGEST = "0" * 64
_ENVELOPE = re.compile(rb"-----BEGIN CERTIFICATE-----([^-]*)-----END CERTIFICATE-----")


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the certificate with this SHA-256 digest is accepted, and until when (epoch)."""

    digest: str
    accepted: bool
    until: int

    def __str__(self) -> str:
        """As the script reads it."""
        return (
            f"{self.digest} {'accepted' if self.accepted else 'refused'} {self.until}"
        )


def judge(question: bytes, now: float) -> Verdict:
    """The verdict for `certificate`, `pinned` (digests), `authorities` (base64 of DER), `dates`.

    Raises Problem 400 when the question is malformed.
    """
    asked = _read(question)
    refused_until = int(now) + REFUSED_SECONDS
    leaf = certificate_in(asked["certificate"])
    if leaf is None:
        return Verdict(_NO_DIGEST, accepted=False, until=refused_until)
    digest = leaf.fingerprint(SHA256()).hex()
    if digest in asked["pinned"]:
        if not asked["dates"]:
            return Verdict(digest, accepted=True, until=int(now) + UNDATED_SECONDS)
        if in_time(leaf, now):
            return Verdict(digest, accepted=True, until=last_second(leaf))
    authorities = Authorities(_authorities(asked["authorities"]))
    until = authorities.issued_until(leaf, now)
    if until is None:
        return Verdict(digest, accepted=False, until=refused_until)
    return Verdict(digest, accepted=True, until=until)


def certificate_in(text: str) -> x509.Certificate | None:
    """The certificate in a text: PEM, percent-encoded or with blanks as line breaks, or base64."""
    content = unquote_to_bytes(text)
    found = _ENVELOPE.search(content)
    if found:
        content = found[1]
    try:
        return x509.load_der_x509_certificate(
            base64.b64decode(b"".join(content.split()), validate=True)
        )
    except (ValueError, binascii.Error):
        return None


def _authorities(listed: list[str]) -> list[x509.Certificate]:
    return [x509.load_der_x509_certificate(base64.b64decode(item)) for item in listed]


def _read(question: bytes) -> dict[str, Any]:
    try:
        asked = read_json(question)
    except NotJson as error:
        raise Problem.of(
            error_codes.CHECK_FAILED,
            "this is not a question about a certificate",
            status=400,
        ) from error
    fits = (
        isinstance(asked, dict)
        and isinstance(asked.get("certificate"), str)
        and isinstance(asked.get("dates"), bool)
        and all(isinstance(asked.get(name), list) for name in ("pinned", "authorities"))
    )
    if not fits:
        raise Problem.of(
            error_codes.CHECK_FAILED,
            "this is not a question about a certificate",
            status=400,
        )
    made: dict[str, Any] = asked
    return made
