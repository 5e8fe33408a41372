"""The step that makes an issuer look like an emulated provider, and its requests like ours."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

from kapi.identity.issuers.emulation import FROM_PARAMETER, FROM_SCOPE
from kapi.identity.provider import Provider
from kapi.testing.http.calls import Call, Onward, Reply, json_reply
from kapi.testing.vendors import keys
from kapi.testing.vendors.facts import filled
from kapi.testing.vendors.tokens import Tokens, timestamp
from kapi.testing.vendors.vendor import CERTIFICATES, Vendor

_TOKENS = frozenset(
    {"token", "subject_token", "actor_token", "id_token_hint", "access_token"}
)
"""Parameters that may have a token of the vendor."""
_WITH_ERRORS = frozenset(
    {"token", "introspect", "revoke", "device_authorization", "par", "ciba"}
)
_LISTED = 1000
"""Clients whose audience is remembered."""


class Dressing:
    """The step of one emulated provider."""

    def __init__(
        self,
        vendor: Vendor,
        provider: Provider,
        base_url: str,
        now: Callable[[], float],
    ) -> None:
        self.tokens = Tokens(vendor, provider)
        self._vendor = vendor
        self._provider = provider
        self._base_url = base_url
        self._now = now
        self._paths = vendor.paths(provider.published)
        self._asked: dict[str, str] = {}

    def own_path(self, path: str) -> str:
        """The provider's path of a path of the vendor."""
        return self._paths.get(path, path)

    def has(self, path: str) -> bool:
        """Whether it is a path of the vendor."""
        return path in self._paths or self.is_certificates(path)

    def is_certificates(self, path: str) -> bool:
        """Whether the keys are at this path as a map of certificates."""
        return path in self._vendor.certificate_paths

    async def __call__(self, call: Call, onward: Onward) -> Reply:
        """Answer a call to a path of the vendor."""
        emulation = self._vendor.emulation
        if call.endpoint == "jwks":
            return keys.jwks(self._provider.keyring, emulation)
        if call.endpoint == CERTIFICATES:
            return keys.certificates(self._provider.keyring, emulation)
        audience = self._audience(call)
        reply = await onward(self._inward(call))
        if call.endpoint == "discovery" and reply.members is not None:
            vendors_own = call.header("host") in self._vendor.hosts
            base_url = "" if vendors_own else self._base_url
            return reply.with_members(self._vendor.documented(reply.members, base_url))
        if call.endpoint == "token" and reply.status == 200:
            return self._with_tokens(reply, audience)
        if call.endpoint == "userinfo" and reply.members and "sub" in reply.members:
            subject = self.tokens.subject(str(reply.members["sub"]))
            return reply.with_members({**reply.members, "sub": subject})
        if call.endpoint in _WITH_ERRORS and reply.members and "error" in reply.members:
            return self._refused(call, reply, reply.members)
        return reply

    def _inward(self, call: Call) -> Call:
        """The call as the provider knows it."""
        headers = tuple(map(self._header_in, call.headers))
        call = replace(call, path=self.own_path(call.path), headers=headers)
        if call.query:
            call = replace(call, query=urlencode(self._pairs_in(call.query)))
        if not call.form:
            return call
        return replace(
            call, body=urlencode(self._pairs_in(call.body.decode())).encode()
        )

    def _header_in(self, header: tuple[str, str]) -> tuple[str, str]:
        name, value = header
        scheme, _, token = value.partition(" ")
        if name == "authorization" and scheme.lower() in {"bearer", "dpop"}:
            return name, f"{scheme} {self.tokens.own(token)}"
        return header

    def _pairs_in(self, text: str) -> list[tuple[str, str]]:
        pairs = []
        for name, value in parse_qsl(text, keep_blank_values=True):
            if name in _TOKENS:
                pairs.append((name, self.tokens.own(value)))
            elif name == "scope" and self._vendor.emulation.audience_from == FROM_SCOPE:
                pairs += [
                    ("scope", scopes) for scopes in [_without_resource(value)] if scopes
                ]
            elif not self._names_audience(name):
                pairs.append((name, value))
        return pairs

    def _names_audience(self, name: str) -> bool:
        return (
            name == "audience"
            and self._vendor.emulation.audience_from == FROM_PARAMETER
        )

    def _audience(self, call: Call) -> str:
        """The API that a request names, or that its client named at the authorization endpoint."""
        how = self._vendor.emulation.audience_from
        named = ""
        if how == FROM_PARAMETER:
            named = call.parameters.get("audience", "")
        elif how == FROM_SCOPE:
            resources = map(_resource, call.parameters.get("scope", "").split())
            named = next(filter(None, resources), "")
            named = named.removeprefix(self._vendor.emulation.audience_without)
        if (
            named
            and call.endpoint in {"authorize", "par"}
            and len(self._asked) < _LISTED
        ):
            self._asked[call.client] = named
        if not named and call.parameters.get("grant_type") != "client_credentials":
            named = self._asked.get(call.client, "")
        return named

    def _with_tokens(self, reply: Reply, audience: str) -> Reply:
        members: dict[str, Any] = dict(reply.members or {})
        access = members.get("access_token")
        if isinstance(access, str):
            members["access_token"] = self.tokens.access_token(access, audience)
        if isinstance(members.get("id_token"), str):
            own = members["id_token"]
            members["id_token"] = self.tokens.id_token(
                own, str(members.get("access_token", ""))
            )
        return reply.with_members(members)

    def _refused(self, call: Call, reply: Reply, members: dict[str, Any]) -> Reply:
        """The error, as the vendor would write it."""
        error = str(members["error"])
        shapes = self._vendor.emulation.errors
        shape = shapes.get(error) or shapes.get("*")
        if shape is None:
            return reply
        facts = {
            "error": error,
            "error_upper": error.upper(),
            "description": members.get("error_description", error),
            "grant": call.parameters.get("grant_type", ""),
            "client": call.client,
            "jti": str(uuid.uuid4()),
            "timestamp": timestamp(int(self._now())),
        }
        made = json_reply(filled(shape.body, facts), shape.status or reply.status)
        challenge = reply.header("www-authenticate")
        return made.with_header("www-authenticate", challenge) if challenge else made


def _resource(scope: str) -> str:
    """The resource of a scope such as `api://orders/.default`; empty for others."""
    return scope.rpartition("/")[0]


def _without_resource(scopes: str) -> str:
    names = [scope.rpartition("/")[2] for scope in scopes.split()]
    return " ".join(name for name in names if name != ".default")
