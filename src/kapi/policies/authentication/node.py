"""What one operation accepts as proof of who is calling: the nodes of the policy."""

from __future__ import annotations

from typing import ClassVar, Literal

from kapi.apis.ir import ClientCertificates
from kapi.dataclass import dataclass
from kapi.policies.authentication.dpop import HEADER as DPOP_HEADER

NAME = "authentication"


@dataclass(frozen=True, slots=True)
class Credential:
    """One way to say who is calling.

    `header` and `query` are names, empty when it is not looked for there.
    """

    kind: str = "OAuth2"
    header: str = "Authorization"
    query: str = ""
    mandatory: bool = True
    send_to_upstream: bool = False
    audiences: tuple[str, ...] = ()
    dpop: Literal["", "optional", "mandatory"] = ""
    """Whether tokens bound to a key are taken with a proof, or nothing else."""
    protocol: bool = False
    """Whether it may come in `Sec-WebSocket-Protocol`."""

    @property
    def hidden(self) -> tuple[str, ...]:
        """Headers that the backend does not see, in small letters."""
        if self.send_to_upstream:
            return ()
        names = []
        if self.header:
            names.append(self.header.lower())
        if self.dpop:
            names.append(DPOP_HEADER)
        return tuple(names)

    @property
    def in_authorization(self) -> bool:
        """Whether it is looked for in the header `Authorization`."""
        return self.header.lower() == "authorization"

    @property
    def in_other_header(self) -> bool:
        """Whether it is looked for in another header."""
        return bool(self.header) and not self.in_authorization

    @property
    def is_plain(self) -> bool:
        """An access token in `Authorization: Bearer` and nowhere else."""
        elsewhere = self.query or self.protocol
        return self.kind == "OAuth2" and self.in_authorization and not elsewhere


@dataclass(frozen=True, slots=True)
class Authentication:
    """The alternatives of one operation; `required` is false when anybody may call it."""

    policy: ClassVar[str] = NAME
    required: bool = True
    credentials: tuple[Credential, ...] = (Credential(),)
    certificates: ClientCertificates | None = None
    optional: bool = False
    """A caller without credentials passes too: a filter behind this one decides by the operation.

    Wrong credentials are refused.
    """
    bound: bool = False
    """Whether an OAuth2 token must be for this API (RFC 8707), if the conf names no audience."""

    @property
    def protocol_kinds(self) -> frozenset[str]:
        """The kinds of credentials that may come in `Sec-WebSocket-Protocol`."""
        return frozenset(item.kind for item in self.credentials if item.protocol)

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of its credentials."""
        return frozenset(item.kind for item in self.credentials)

    @property
    def dpop(self) -> Literal["", "optional", "mandatory"]:
        """Whether tokens with a proof are accepted, or required."""
        for item in self.credentials:
            if item.dpop:
                return item.dpop
        return ""

    @property
    def needs_credential(self) -> bool:
        """Whether a certificate alone is not enough."""
        return bool(self.credentials) and (
            self.certificates is None
            or any(item.mandatory for item in self.credentials)
        )
