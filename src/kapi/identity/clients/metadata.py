"""Client metadata (RFC 7591 §2): from the members of a registration to the client's settings.

Names of members are those of the IANA registry. Called by registration, and for client metadata
documents.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kapi.dataclass import dataclass
from kapi.errors import OAuthError
from kapi.identity.clients.response_types import normal_form
from kapi.json_reading import is_texts
from kapi.settings import ClientSettings
from kapi.settings.identity.client_checks import (
    LINKS,
    ClientFacts,
    client_mistakes,
    uri_mistake,
)
from kapi.settings.values import REFUSED, checked, field_types
from kapi.store.registered_clients import RegisteredClient

OURS = {"client_name": "name", "grant_types": "grants", "scope": "scopes"}
"""Members that have another name in the settings."""
_OWN = frozenset(
    {
        "redirect_uris",
        *LINKS,
        "token_endpoint_auth_method",
        "token_endpoint_auth_signing_alg",
        "jwks",
        "jwks_uri",
        "tls_client_auth_subject_dn",
        "tls_client_auth_san_dns",
        "tls_client_auth_san_uri",
        "tls_client_auth_san_ip",
        "tls_client_auth_san_email",
        "tls_client_certificate_bound_access_tokens",
        "dpop_bound_access_tokens",
        "subject_type",
        "refresh_token_rotation",
        "sector_identifier_uri",
        "default_max_age",
        "id_token_signed_response_alg",
        "userinfo_signed_response_alg",
        "introspection_signed_response_alg",
        "authorization_signed_response_alg",
        "request_object_signing_alg",
        "backchannel_authentication_request_signing_alg",
        "request_uris",
        "require_pushed_authorization_requests",
        "require_signed_request_object",
        "authorization_details_types",
        "post_logout_redirect_uris",
        "backchannel_logout_uri",
        "backchannel_logout_session_required",
        "frontchannel_logout_uri",
        "frontchannel_logout_session_required",
    }
)
"""Settings that a client may choose. Those about the contents of its tokens are not among them."""
_ACCEPTED = _OWN | frozenset(OURS)
_FIELDS = {item.name: item for item in dataclasses.fields(ClientSettings)}
_AUTHORIZATION_GRANTS = frozenset({"authorization_code", "implicit"})
"""Grants with a response type (RFC 7591 §2.1)."""
_WEB_ADDRESSES = ("backchannel_logout_uri", "frontchannel_logout_uri")
_ABOUT = {
    "application_type": str,
    "contacts": list,
    "software_id": str,
    "software_version": str,
}
"""Members that are stored and returned. `application_type` also restricts redirect URIs."""
_KINDS: Mapping[type, str] = {list: "a list of texts", str: "text"}
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "k"})
_MOST, _LONGEST = 50, 2048

NO_NAME, NO_GRANTS, NOT_FOUND, UNKNOWN_GRANT = 100150, 100151, 100152, 100153
"""APK's numbers for these mistakes, sent together with the registered error codes."""


class RegistrationError(OAuthError):
    """An error answer of registration (RFC 7591 §3.2.2), with APK's number where it has one."""

    def __init__(self, error: str, description: str, *, number: int = 0) -> None:
        plain = (
            description.translate({34: "'", 92: "/"})
            .encode("ascii", "replace")
            .decode("ascii")
        )
        members = None
        if number:
            members = {"code": number}
        super().__init__(error, plain, members=members)


@dataclass(frozen=True, slots=True)
class Policy:
    """What registered clients may have. The scope `*` is any scope."""

    grants: tuple[str, ...]
    scopes: tuple[str, ...]
    methods: tuple[str, ...]
    algorithms: tuple[str, ...]
    """Signing algorithms of the provider."""
    facts: ClientFacts
    """The facts of grants and methods."""
    response_types: tuple[str, ...] = ("code",)


def checked_metadata(sent: Any, policy: Policy) -> dict[str, Any]:
    """The stored metadata: `settings` of the client, and `about`, which is only returned.

    Raises RegistrationError.
    """
    if not isinstance(sent, dict):
        raise RegistrationError(
            "invalid_client_metadata", "Send the client metadata as a JSON object"
        )
    mistakes: list[str] = []
    values = _settings(sent, mistakes)
    if sent.get("client_name") == "":
        raise RegistrationError(
            "invalid_client_metadata", "client_name is empty", number=NO_NAME
        )
    _check_grants(values.get("grants", ()), policy)
    values["response_types"] = _response_types(sent, values.get("grants", ()), policy)
    _check_redirect_uris(values, sent)
    values["scopes"] = _scopes(values.get("scopes"), policy)
    settings = ClientSettings("new", **values)
    mistakes += client_mistakes(settings, policy.facts)
    mistakes += more_mistakes(settings, policy)
    mistakes += application_mistakes(sent.get("application_type"), settings)
    about = {name: sent[name] for name in _ABOUT if name in sent}
    for name, value in about.items():
        if not _is_about(value, _ABOUT[name]):
            mistakes.append(f"{name} must be {_KINDS[_ABOUT[name]]}")
    if mistakes:
        raise RegistrationError("invalid_client_metadata", "; ".join(mistakes)[:1000])
    stored = dataclasses.asdict(settings)
    del stored["id"], stored["secret"]
    return {"settings": stored, "about": about}


def shown(client: RegisteredClient) -> dict[str, Any]:
    """The metadata of a client by their registered names, without its secrets."""
    settings, defaults = client.metadata["settings"], ClientSettings("new")
    made: dict[str, Any] = {
        "client_id": client.id,
        "client_id_issued_at": client.created_at,
    }
    for name in ("redirect_uris", "token_endpoint_auth_method"):
        made[name] = settings[name]
    made["grant_types"] = settings["grants"]
    if "*" not in settings["scopes"]:
        made["scope"] = " ".join(settings["scopes"])
    made["response_types"] = []
    if not _AUTHORIZATION_GRANTS.isdisjoint(settings["grants"]):
        made["response_types"] = list(settings.get("response_types", ["code"]))
    for name, value in settings.items():
        if name in _OWN and _json_like(value) != _json_like(getattr(defaults, name)):
            made.setdefault(name, value)
    made |= client.metadata["about"]
    shown = {name: value for name, value in made.items() if value != ""}
    shown["client_name"] = settings["name"]
    return shown


def _settings(sent: Mapping[str, Any], mistakes: list[str]) -> dict[str, Any]:
    """The settings in the members, each of the right type."""
    values: dict[str, Any] = {
        "token_endpoint_auth_method": "client_secret_basic",
        "grants": ("authorization_code",),
    }
    for member, value in sent.items():
        if value is None or member not in _ACCEPTED:
            continue
        found = _setting(member, value, mistakes)
        if found is not REFUSED:
            values[OURS.get(member, member)] = found
    return values


def _setting(member: str, value: Any, mistakes: list[str]) -> Any:
    """The value of one member as its setting has it, or REFUSED."""
    name = OURS.get(member, member)
    if member == "scope":
        value = scope_words(value)
    if _is_too_long(value):
        mistakes.append(f"{member} is too long")
        return REFUSED
    if name == "grants" and not value:
        raise RegistrationError(
            "invalid_client_metadata", "grant_types is an empty list", number=NO_GRANTS
        )
    return checked(
        field_types(ClientSettings)[name],
        value,
        member,
        lambda where, text, _="": mistakes.append(f"{where} {text}"),
        _FIELDS[name].metadata,
    )


def _is_too_long(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) > _LONGEST
    return isinstance(value, list) and len(value) > _MOST


def scope_words(value: Any) -> Any:
    """`scope` as a list of scopes; any other type is returned unchanged, for the check of types."""
    if isinstance(value, str) and value.strip(" "):
        return value.strip(" ").split(" ")
    return value


def _check_grants(grants: Sequence[str], policy: Policy) -> None:
    for grant in grants:
        if grant not in policy.grants:
            raise RegistrationError(
                "invalid_client_metadata",
                f"{grant} grant type not supported.",
                number=UNKNOWN_GRANT,
            )


def _response_types(
    sent: Mapping[str, Any], grants: Sequence[str], policy: Policy
) -> tuple[str, ...]:
    """The response types of a client (RFC 7591 §2.1).

    The default is `code`; a client without a grant that has response types has none.
    """
    has_code = "authorization_code" in grants
    default = ["code"] * has_code
    wanted = sent.get("response_types", default)
    if not is_texts(wanted):
        raise RegistrationError(
            "invalid_client_metadata", "response_types must be a list of texts"
        )
    found = tuple(dict.fromkeys(map(normal_form, wanted)))
    unknown = []
    for item in found:
        if item not in policy.response_types:
            unknown.append(item)
    if unknown:
        offered = ", ".join(policy.response_types)
        detail = (
            f"response_types: {', '.join(unknown)[:200]} is not offered; {offered} is"
        )
        raise RegistrationError("invalid_client_metadata", detail)
    if bool(found) == _AUTHORIZATION_GRANTS.isdisjoint(grants):
        detail = (
            "response_types must be code with the authorization code grant, else empty"
        )
        raise RegistrationError("invalid_client_metadata", detail)
    if ("code" in " ".join(found).split(" ")) != has_code:
        detail = (
            "A response type with code and the authorization code grant belong together"
        )
        raise RegistrationError("invalid_client_metadata", detail)
    return found or ("code",)


def _check_redirect_uris(values: Mapping[str, Any], sent: Mapping[str, Any]) -> None:
    uris = values.get("redirect_uris", ())
    for uri in uris:
        wrong = uri_mistake(uri)
        if wrong:
            raise RegistrationError("invalid_redirect_uri", f"{uri[:200]}: {wrong}")
    if uris or "authorization_code" not in values.get("grants", ()):
        return
    detail = "redirect_uris is missing"
    if "redirect_uris" in sent:
        detail = "redirect_uris must be a list of URIs"
    raise RegistrationError(
        "invalid_redirect_uri", f"{detail}: the authorization code grant needs one"
    )


def _scopes(wanted: tuple[str, ...] | None, policy: Policy) -> tuple[str, ...]:
    if wanted is None:
        return policy.scopes
    if "*" in wanted or (
        "*" not in policy.scopes and not set(wanted) <= set(policy.scopes)
    ):
        raise RegistrationError(
            "invalid_client_metadata", f"scope may contain {' '.join(policy.scopes)}"
        )
    return tuple(dict.fromkeys(wanted))


def more_mistakes(settings: ClientSettings, policy: Policy) -> Iterator[str]:
    """What no stored client may have, by the policy."""
    method = settings.token_endpoint_auth_method
    if method not in policy.methods:
        yield f"token_endpoint_auth_method must be one of {', '.join(policy.methods)}"
    yield from _algorithm_mistakes(settings, policy)
    if not _has_public_keys_only(settings.jwks):
        yield "jwks must contain public keys only"
    yield from _logout_mistakes(settings)
    if settings.is_public:
        for grant in settings.grants:
            if grant in policy.facts.confidential_grants:
                yield f"a public client may not use {grant}"


def application_mistakes(kind: Any, settings: ClientSettings) -> Iterator[str]:
    """Of the kind of application (OpenID Connect Dynamic Client Registration §2)."""
    if kind is None:
        return
    if kind not in ("web", "native"):
        yield "application_type must be web or native"
    if kind != "web":
        return
    for uri in settings.redirect_uris:
        if not uri.startswith(("https://", "http://")):
            yield f"{uri[:200]}: this is for application_type native; web has https URIs"


def _algorithm_mistakes(settings: ClientSettings, policy: Policy) -> Iterator[str]:
    for item in dataclasses.fields(settings):
        if not item.name.endswith("_signed_response_alg"):
            continue
        if getattr(settings, item.name) not in {"", *policy.algorithms}:
            yield f"{item.name} must be one of {', '.join(policy.algorithms)}"


def _has_public_keys_only(jwks: Mapping[str, Any]) -> bool:
    keys = jwks.get("keys", ())
    if not isinstance(keys, list | tuple):
        return True  # `client_mistakes` reports it
    return all(isinstance(key, dict) and _PRIVATE.isdisjoint(key) for key in keys)


def _logout_mistakes(settings: ClientSettings) -> Iterator[str]:
    for uri in settings.post_logout_redirect_uris:
        wrong = uri_mistake(uri)
        if wrong:
            yield f"post_logout_redirect_uris: {wrong}"
    for name in _WEB_ADDRESSES:
        uri = getattr(settings, name)
        if not uri:
            continue
        wrong = uri_mistake(uri)
        if wrong:
            yield f"{name}: {wrong}"
        elif not uri.startswith(("https://", "http://")):
            yield f"{name}: it must be a web address"


def _is_about(value: Any, kind: type) -> bool:
    if not isinstance(value, kind) or _is_too_long(value):
        return False
    if not isinstance(value, list):
        return True
    return is_texts(value) and not any(map(_is_too_long, value))


def _json_like(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    return value
