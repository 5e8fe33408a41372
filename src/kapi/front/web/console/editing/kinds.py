"""The kinds of objects that operators edit: the fields of a new one, and what is done to one.

The system APIs check everything; here is only what their forms look like. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import quote

from kapi.dataclass import dataclass
from kapi.front.web.console.editing.fields import (
    APIS,
    LINES,
    NUMBER,
    PAIRS,
    SECRET,
    SWITCH,
    VALUE,
    WORDS,
    Field,
)
from kapi.jose.algorithms import ALGORITHMS
from kapi.settings.subscriptions import KEY_TYPES
from kapi.store.keys import ACTIVE, PUBLISHED

Row = Mapping[str, Any]


def _always(row: Row) -> bool:  # noqa: ARG001 - as the other conditions
    return True


@dataclass(frozen=True, slots=True)
class Action:
    """What is done to an object, or to a kind; `{id}` in the path is replaced.

    `is_final`: it cannot be undone, which the person confirms.
    """

    name: str
    title: str
    about: str
    method: str
    path: str
    body: Mapping[str, Any] | None = None
    applies: Callable[[Row], bool] = _always
    fields: tuple[Field, ...] = ()
    is_final: bool = False

    def path_of(self, identifier: str) -> str:
        """The path for an object."""
        return self.path.replace("{id}", quote(identifier, safe=""))


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind. `name` is that of the system API, `key` the member that identifies an object.

    `changes` are the fields of an object that can be changed; `common` is done to all of a kind.
    """

    name: str
    one: str
    key: str
    fields: tuple[Field, ...]
    actions: tuple[Action, ...]
    changes: tuple[Field, ...] = ()
    common: tuple[Action, ...] = ()

    def path_of(self, identifier: str) -> str:
        """The path of an object at the system API."""
        return f"/api/{self.name}/{quote(identifier, safe='')}"

    def action(self, name: str) -> Action | None:
        """The action of this name."""
        found = (*self.actions, *self.common)
        return next((item for item in found if item.name == name), None)

    def actions_of(self, row: Row) -> tuple[Action, ...]:
        """Those of an object; none for one of the settings."""
        if is_of_settings(row):
            return ()
        return tuple(item for item in self.actions if item.applies(row))


def is_of_settings(row: Row) -> bool:
    """Whether an object is in the settings, and cannot be changed here."""
    return bool(row.get("source", row.get("declaredIn")) == "settings")


def _remove(one: str, path: str, about: str, *, is_final: bool = True) -> Action:
    about = f"Remove this {one}. {about}"
    return Action("remove", "Remove", about, "DELETE", path, is_final=is_final)


def _is_disabled(row: Row) -> bool:
    return bool(row.get("disabled"))


def _is_enabled(row: Row) -> bool:
    return not row.get("disabled")


def _is_blocked(row: Row) -> bool:
    return row.get("status") == "BLOCKED"


def _is_active(row: Row) -> bool:
    return row.get("status") == "ACTIVE"


def _is_published(row: Row) -> bool:
    return row.get("state") == PUBLISHED


def _does_not_sign(row: Row) -> bool:
    return row.get("state") != ACTIVE


def _holds(row: Row) -> bool:
    return not row.get("revoked")


_CLIENT, _USER, _KEY = "/api/clients/{id}", "/api/users/{id}", "/api/keys/{id}"
_APPLICATION, _SUBSCRIPTION = "/api/applications/{id}", "/api/subscriptions/{id}"
_LIST: Final = "Separated by spaces."
_LINE: Final = "One a line."
_ALGORITHM: Final = Field(
    "algorithm", "Algorithm", value="RS256", choices=tuple(ALGORITHMS), required=True
)

_ISSUERS: Final = Kind(
    "issuers",
    "issuer",
    "name",
    (
        Field("name", "Name", about="a-z, 0-9, - and _", required=True),
        Field("preset", "Preset", value="oidc", about="The identity provider product."),
        Field("issuer", "Issuer (iss)"),
        Field(
            "parameters", "Parameters", PAIRS, "Of the preset, as domain=acme.example."
        ),
        Field("audiences", "Audiences", WORDS, _LIST),
        Field("organization", "Organization"),
    ),
    (
        _remove(
            "issuer", "/api/issuers/{id}", "Its tokens are refused.", is_final=False
        ),
    ),
    (
        Field("issuer", "Issuer (iss)"),
        Field("organization", "Organization", about="* is each."),
        Field("environments", "Environments", WORDS, _LIST),
        Field("audiences", "Audiences", LINES, _LINE),
        Field("algorithms", "Algorithms", WORDS, _LIST),
        Field("types", "Types (typ)", WORDS, _LIST),
        Field("clockSkew", "Clock skew", NUMBER, "Seconds."),
        Field("consumerKeyClaim", "Claim of the consumer key"),
        Field("scopesClaims", "Claims of the scopes", WORDS, _LIST),
        Field("requiredClaims", "Required claims", PAIRS, "As name=value."),
        Field("idTokens", "ID tokens are accepted too", SWITCH),
    ),
)
_KEYS: Final = Kind(
    "keys",
    "signing key",
    "kid",
    (_ALGORITHM,),
    (
        Action(
            "activate",
            "Activate",
            "New tokens are signed with this key. The one before stays until its tokens expire.",
            "POST",
            f"{_KEY}/activate",
            applies=_is_published,
        ),
        Action(
            "retire",
            "Retire",
            "Remove this key at once. Tokens that it signed are refused.",
            "DELETE",
            _KEY,
            applies=_does_not_sign,
            is_final=True,
        ),
    ),
    common=(
        Action(
            "rotate",
            "Rotate",
            "A new key takes the place of the active one of its algorithm. It is published first,"
            " and signs when the copies that others keep of the keys have expired. The old key"
            " stays until its tokens expire.",
            "POST",
            "/api/keys/rotate",
            {},
            fields=(
                _ALGORITHM,
                Field(
                    "now",
                    "Sign with it at once",
                    SWITCH,
                    "Copies of the keys may lack it.",
                ),
                Field(
                    "emergency",
                    "Emergency: remove the old keys too",
                    SWITCH,
                    "Tokens that they signed are refused at once.",
                ),
            ),
            is_final=True,
        ),
    ),
)
_CLIENTS: Final = Kind(
    "clients",
    "client",
    "client_id",
    (
        Field("client_name", "Name"),
        Field(
            "grant_types", "Grants", WORDS, _LIST, "client_credentials", required=True
        ),
        Field("scope", "Scopes", about=_LIST),
        Field("redirect_uris", "Redirect URIs", WORDS, _LIST),
    ),
    (
        Action(
            "secret",
            "New secret",
            "The client gets a new secret, which is shown once. The old one ends.",
            "POST",
            f"{_CLIENT}/secret",
            is_final=True,
        ),
        _remove("client", _CLIENT, "Its tokens end."),
    ),
    (
        Field("client_name", "Name"),
        Field("grant_types", "Grants", WORDS, _LIST),
        Field("scope", "Scopes", about=f"{_LIST} Without any: all."),
        Field("redirect_uris", "Redirect URIs", LINES, _LINE),
        Field("post_logout_redirect_uris", "Redirect URIs after logout", LINES, _LINE),
        Field("backchannel_logout_uri", "Back-channel logout URI"),
        Field("token_endpoint_auth_method", "Authentication method"),
        Field("jwks_uri", "Address of its keys (jwks_uri)"),
        Field("client_uri", "Home page"),
        Field("policy_uri", "Privacy policy"),
        Field("tos_uri", "Terms of service"),
        Field(
            "dpop_bound_access_tokens", "Tokens are always bound to a DPoP key", SWITCH
        ),
        Field(
            "require_pushed_authorization_requests",
            "Requests must be pushed (PAR)",
            SWITCH,
        ),
    ),
)
_USERS: Final = Kind(
    "users",
    "user",
    "username",
    (
        Field("username", "User name", required=True),
        Field("password", "Password", SECRET, "At least 8 characters.", required=True),
        Field("organizations", "Organizations", WORDS, _LIST),
        Field("groups", "Groups", WORDS, _LIST),
    ),
    (
        Action(
            "password",
            "Set password",
            "The old password ends; sessions and tokens end.",
            "PUT",
            f"{_USER}/password",
            {},
            fields=(
                Field(
                    "password",
                    "New password",
                    SECRET,
                    "At least 8 characters.",
                    required=True,
                ),
            ),
            is_final=True,
        ),
        Action(
            "disable",
            "Disable",
            "The person cannot sign in; sessions and tokens end.",
            "PUT",
            f"{_USER}/disabled",
            {"disabled": True},
            _is_enabled,
        ),
        Action(
            "enable",
            "Enable",
            "The person can sign in again.",
            "PUT",
            f"{_USER}/disabled",
            {"disabled": False},
            _is_disabled,
        ),
        _remove("user", _USER, "Sessions and tokens end."),
    ),
    (
        Field("organizations", "Organizations", LINES, _LINE),
        Field("groups", "Groups", LINES, _LINE),
        Field(
            "super_admin", "Super admin: may sign in without an organization", SWITCH
        ),
        Field(
            "claims", "Claims", VALUE, 'A JSON object, as {"email": "ada@example.com"}.'
        ),
        Field("token_claims", "Claims of access tokens", VALUE, "A JSON object."),
    ),
)
_APPLICATIONS: Final = Kind(
    "applications",
    "application",
    "id",
    (Field("name", "Name", required=True), Field("tier", "Tier")),
    (_remove("application", _APPLICATION, "Its subscriptions end."),),
    (Field("name", "Name", required=True), Field("tier", "Tier", about="Empty: none.")),
)
_SUBSCRIPTIONS: Final = Kind(
    "subscriptions",
    "subscription",
    "id",
    (
        Field("application", "Application", about="Name or id.", required=True),
        Field("api.name", "API", required=True),
        Field("api.version", "Versions", about="A regular expression.", value=".*"),
        Field("tier", "Tier"),
    ),
    (
        Action(
            "tier",
            "Change tier",
            "The limits of another tier apply.",
            "PATCH",
            _SUBSCRIPTION,
            {},
            fields=(Field("tier", "Tier", required=True),),
        ),
        Action(
            "block",
            "Block",
            "Calls of the application are refused.",
            "PATCH",
            _SUBSCRIPTION,
            {"status": "BLOCKED"},
            _is_active,
        ),
        Action(
            "unblock",
            "Unblock",
            "The application may call again.",
            "PATCH",
            _SUBSCRIPTION,
            {"status": "ACTIVE"},
            _is_blocked,
        ),
        _remove(
            "subscription",
            _SUBSCRIPTION,
            "Calls of the application are refused.",
            is_final=False,
        ),
    ),
)
_API_KEYS: Final = Kind(
    "api-keys",
    "API key",
    "id",
    (
        Field(
            "apis",
            "APIs",
            APIS,
            "One a line: its name, then a space and its version. Without a version: all. * is each"
            " API.",
            required=True,
        ),
        Field("application", "Application", about="Its name, for logs and backends."),
        Field("kind", "Form", value="jwt", choices=("jwt", "opaque")),
        Field("keyType", "Backend", value="PRODUCTION", choices=KEY_TYPES),
        Field("permittedIP", "Addresses", WORDS, f"From which it is accepted. {_LIST}"),
        Field(
            "permittedReferer", "Referers", WORDS, f"With which it is accepted. {_LIST}"
        ),
        Field("lifetime", "Lifetime", NUMBER, "Seconds; 0 does not expire.", "0"),
        Field("tier", "Tier"),
    ),
    (
        Action(
            "revoke",
            "Revoke",
            "Calls with this key are refused within a second.",
            "DELETE",
            "/api/api-keys/{id}",
            applies=_holds,
            is_final=True,
        ),
    ),
)
KINDS: Final = (
    _ISSUERS,
    _KEYS,
    _CLIENTS,
    _USERS,
    _APPLICATIONS,
    _SUBSCRIPTIONS,
    _API_KEYS,
)
"""All kinds that can be edited."""


def kind_named(name: str) -> Kind | None:
    """The kind with the name of its system API."""
    return next((item for item in KINDS if item.name == name), None)
