"""The issuers API, `/api/issuers`: trusted issuers, in the form of APK's TokenIssuer.

A caller without an organization sees and changes all; one with an organization only the issuers of
that organization.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kapi import error_codes
from kapi.errors import Diagnostic, Invalid, Problem
from kapi.front.web.http.access import Access, json_answer
from kapi.front.web.http.bodies import json_object, read_body
from kapi.front.web.http.lanes import Lane
from kapi.front.web.http.merging import merged
from kapi.front.web.http.preconditions import guarded, tag_of, tagged
from kapi.front.web.http.shapes import DOCUMENT_HINT, Member, Shape
from kapi.front.web.operate.auditing import about
from kapi.identity.issuers.following import Followed
from kapi.identity.issuers.kept import declaration_text
from kapi.identity.issuers.trials.issuer import Step
from kapi.identity.issuers.trust import Trust
from kapi.identity.issuers.verify import Principal
from kapi.settings import IssuerSettings
from kapi.settings.values import REFUSED, checked
from kapi.settings.written.documents import differing

ISSUER_SCOPE = "kapi:issuers"
LARGEST_BODY = 1024 * 1024
_TEST = Shape(
    "issuer",
    error_codes.INVALID_ISSUER,
    {"token": Member(str, "", hint='Send {"token": "…"}, or nothing.')},
)
_USUAL = IssuerSettings("")
_FIELDS = {field.name for field in dataclasses.fields(IssuerSettings)}


class IssuersApi:
    """The endpoints of this API."""

    def __init__(self, access: Access, trust: Trust, fetching: Lane) -> None:
        self._fetching = fetching
        self._access = access
        self._trust = trust

    def routes(self) -> list[Route]:
        """The routes of this API."""
        one = "/api/issuers/{name}"
        return [
            Route("/api/issuers", self.list, methods=["GET"]),
            Route("/api/issuers", self.add, methods=["POST"]),
            Route(one, self.show, methods=["GET"]),
            Route(one, self.replace, methods=["PUT"]),
            Route(one, self.change, methods=["PATCH"]),
            Route(one, self.remove, methods=["DELETE"]),
            Route(f"{one}/test", self.test, methods=["POST"]),
        ]

    async def list(self, request: Request) -> Response:
        """The issuers that the caller may see, with the state of their keys."""
        principal = self._access.principal(request, ISSUER_SCOPE)
        return json_answer(
            {
                "issuers": [
                    self._shown(item)
                    for item in self._trust.followed()
                    if _may(principal, item.issuer.organization)
                ]
            }
        )

    async def show(self, request: Request) -> Response:
        """An issuer. Its ETag is that of the declaration; the state of its keys is not in it."""
        principal, name = (
            self._access.principal(request, ISSUER_SCOPE),
            request.path_params["name"],
        )
        followed, declaration = await run_in_threadpool(self._trust.current, name)
        self._refuse_others(principal, followed)
        if not declaration:
            return json_answer(self._shown(followed))
        return tagged(request, self._shown(followed), tag=_tag_of(declaration))

    async def add(self, request: Request) -> Response:
        """Trust an issuer. Its keys are fetched before the answer; a failure is not an error."""
        principal = self._access.principal(request, ISSUER_SCOPE)
        settings = _declared(await _body(request))
        about(request, settings.name)
        return await self._add(request, principal, settings, replace=False)

    async def replace(self, request: Request) -> Response:
        """Create or replace an issuer."""
        principal = self._access.principal(request, ISSUER_SCOPE)
        name = request.path_params["name"]
        settings = _declared({**await _body(request), "name": name})
        existing = next(
            (item for item in self._trust.followed() if item.issuer.name == name), None
        )
        if existing is not None:
            self._refuse_others(principal, existing)
        return await self._add(request, principal, settings, replace=True)

    async def change(self, request: Request) -> Response:
        """Change members of an issuer that was added (RFC 7396); null is the preset's value."""
        name = self._mine(request).issuer.name
        principal, sent = (
            self._access.principal(request, ISSUER_SCOPE),
            await _body(request),
        )
        about(request, name, ", ".join(sorted(sent))[:255])

        made = ""

        def changed(before: IssuerSettings) -> IssuerSettings:
            nonlocal made
            settings = changed_issuer(before, sent)
            _refuse_foreign(principal, settings)
            made = declaration_text(settings)
            return settings

        followed = await guarded(
            request, self._tag(name), self._trust.change, name, changed
        )
        return tagged(request, self._shown(followed), tag=_tag_of(made))

    async def _add(
        self,
        request: Request,
        principal: Principal,
        settings: IssuerSettings,
        *,
        replace: bool,
    ) -> Response:
        _refuse_foreign(principal, settings)
        tag = self._tag(settings.name)
        followed = await guarded(
            request, tag, self._trust.add, settings, replace=replace
        )
        status = 200 if replace else 201
        declared = declaration_text(settings)
        return tagged(request, self._shown(followed), status, tag=_tag_of(declared))

    async def remove(self, request: Request) -> Response:
        """Remove an issuer."""
        followed = self._mine(request)
        name = followed.issuer.name
        await guarded(request, self._tag(name), self._trust.remove, name)
        return Response(status_code=204)

    async def test(self, request: Request) -> Response:
        """Check discovery, TLS, keys, clock and a token: `{"token": "…"}` or an empty body."""
        followed = self._mine(request)
        body = _TEST.read(await _body(request, empty={}))
        steps: tuple[Step, ...] = await self._fetching.run(
            request, self._trust.test, followed, body["token"].strip()
        )
        return json_answer(
            {
                "issuer": followed.issuer.name,
                "steps": list(map(dataclasses.asdict, steps)),
            }
        )

    def _tag(self, name: str) -> Callable[[], str]:
        """Reads the tag of a stored issuer; empty for one of the settings."""
        return lambda: _tag_of(self._trust.stored(name))

    def _mine(self, request: Request) -> Followed:
        principal = self._access.principal(request, ISSUER_SCOPE)
        followed = self._trust.find(request.path_params["name"])
        self._refuse_others(principal, followed)
        return followed

    def _refuse_others(self, principal: Principal, followed: Followed) -> None:
        """Raise Problem 404 for an issuer of another organization."""
        if not _may(principal, followed.issuer.organization):
            raise Problem.of(
                error_codes.ISSUER_NOT_FOUND,
                f"there is no issuer {followed.issuer.name!r}",
                hint="See them with: kapi issuer list.",
            )

    def _shown(self, followed: Followed) -> dict[str, Any]:
        issuer, state = followed.issuer, followed.state
        return {
            "name": issuer.name,
            "preset": issuer.preset,
            "organization": issuer.organization,
            "organizations": dict(issuer.organizations),
            "environments": list(issuer.environments),
            "issuer": issuer.issuer,
            "discovery": issuer.discovery if issuer.fetches else None,
            "signatureValidation": _signature_validation(followed),
            "consumerKeyClaim": issuer.consumer_key_claim or None,
            "scopesClaims": list(issuer.scopes_claims),
            "claimMappings": [
                {"remoteClaim": remote, "localClaim": local}
                for remote, local in issuer.claim_mappings
            ],
            "audiences": list(issuer.audiences),
            "algorithms": list(issuer.algorithms),
            "types": list(issuer.types),
            "clockSkew": issuer.clock_skew,
            "requiredClaims": dict(issuer.required_claims),
            "idTokens": issuer.id_tokens,
            "declaredIn": "settings" if issuer.name in self._trust.fixed else "api",
            "status": {
                "keys": [
                    {"kid": key.kid or None, "algorithms": list(key.algorithms)}
                    for key in state.keys.keys
                ],
                "ignored": list(state.keys.ignored),
                "fetchedAt": state.fetched_at or None,
                "changedAt": state.changed_at or None,
                "fetches": state.fetches,
                "failures": state.failures,
                "error": state.error or None,
                "refusals": self._trust.refused_tokens.of(issuer.name),
            },
            "advice": list(issuer.advice),
            "warnings": list(issuer.warnings),
        }


def _signature_validation(followed: Followed) -> dict[str, Any]:
    issuer = followed.issuer
    if not issuer.fetches:
        return {"publicKey": issuer.key_pem}
    return {
        "jwks": {
            "url": issuer.jwks_uri or followed.state.jwks_uri or None,
            "tls": {"certificateInline": issuer.ca} if issuer.ca else None,
        }
    }


def _tag_of(declaration: str) -> str:
    if not declaration:
        return ""
    return tag_of({"declaration": declaration})


def _may(principal: Principal, organization: str) -> bool:
    return principal.organization in {"", organization}


def _refuse_foreign(principal: Principal, settings: IssuerSettings) -> None:
    """Raise Problem 403 for an issuer that the caller may not declare."""
    if not _may(principal, settings.organization):
        own = principal.organization
        raise Problem.of(
            error_codes.OTHER_ORGANIZATION,
            detail=f"callers of {own} may declare issuers for {own} only",
            hint=f'Say "organization": "{own}".',
        )


async def _body(
    request: Request, empty: dict[str, Any] | None = None
) -> dict[str, Any]:
    content = await read_body(request, LARGEST_BODY)
    if not content and empty is not None:
        return empty
    return json_object(content, "/openapi.html on this host shows one.")


def changed_issuer(before: IssuerSettings, sent: Mapping[str, Any]) -> IssuerSettings:
    """A declared issuer with the members of a merge patch. Raises Invalid."""
    members = {_camel(name): value for name, value in differing(before, _USUAL).items()}
    for name, value in sent.items():
        if isinstance(value, list):
            members.pop(name, None)  # APK's list of claim mappings replaces them.
    if sent.get("name", before.name) != before.name:
        mistake = Diagnostic(
            "issuer", "name: cannot be changed", DOCUMENT_HINT, "#/name"
        )
        raise Invalid((mistake,), error_codes.INVALID_ISSUER)
    return _declared(merged(members, {**_flattened(dict(sent)), "name": before.name}))


def _declared(body: dict[str, Any]) -> IssuerSettings:
    """The declaration in the body, in camel case or as APK's TokenIssuer. Raises Invalid."""
    mistakes: list[Diagnostic] = []

    def wrong(where: str, message: str, hint: str = "") -> None:
        if not hint or "_file" in hint:
            hint = "/openapi.html on this host lists the fields."
        text = f"{where}: {message}".removeprefix("issuer: ")
        mistakes.append(
            Diagnostic("issuer", text, hint, f"#/{where.partition('.')[2]}")
        )

    given: dict[str, Any] = {}
    for name, value in _flattened(body).items():
        field = re.sub(r"(?<=[a-z])([A-Z])", r"_\1", name).lower()
        if field not in _FIELDS or name != _camel(field):
            wrong(f"issuer.{name}", "unknown field")
        elif value is not None:
            given[field] = value
    made = checked(IssuerSettings, given, "issuer", wrong)
    if made is REFUSED or mistakes:
        raise Invalid(tuple(mistakes), error_codes.INVALID_ISSUER)
    declared: IssuerSettings = made
    return declared


def _camel(field: str) -> str:
    first, *rest = field.split("_")
    return first + "".join(part.capitalize() for part in rest)


def _flattened(body: dict[str, Any]) -> dict[str, Any]:
    """APK's nested members as flat ones: `signatureValidation`, `scopesClaim`, claim mappings."""
    flat = {**body}
    validation = flat.pop("signatureValidation", None)
    if isinstance(validation, dict):
        jwks, certificate = validation.get("jwks"), validation.get("certificate")
        if isinstance(jwks, dict):
            flat.setdefault("jwksUri", jwks.get("url"))
            tls = jwks.get("tls")
            flat.setdefault(
                "ca", tls.get("certificateInline") if isinstance(tls, dict) else None
            )
        if isinstance(certificate, dict):
            flat.setdefault("certificate", certificate.get("certificateInline"))
        flat.setdefault("publicKey", validation.get("publicKey"))
    elif validation is not None:
        flat["signatureValidation"] = validation
    if isinstance(scopes := flat.pop("scopesClaim", None), str):
        flat.setdefault("scopesClaims", [scopes])
    mappings = flat.get("claimMappings")
    if isinstance(mappings, list) and all(
        isinstance(item, dict) and item.keys() == {"remoteClaim", "localClaim"}
        for item in mappings
    ):
        flat["claimMappings"] = {
            str(item["remoteClaim"]): item["localClaim"] for item in mappings
        }
    return flat
