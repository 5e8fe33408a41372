"""The table of kinds: where each is in the system APIs, and how its objects are named."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final
from urllib.parse import quote

from kapi.dataclass import dataclass
from kapi.front.cli.kinds import rows

_DEPLOY: Final = "apk:api_create"
_UNDEPLOY: Final = "/api/deployer/1.2.0/apis/undeploy?apiId={id}"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of object."""

    name: str
    """In the singular; the plural has an s."""
    path: str
    member: str
    """Of the answer: the list of the objects."""
    key: tuple[str, ...]
    """The members that identify an object."""
    row: Callable[[dict[str, Any]], dict[str, Any]]
    none: str
    """What is said if there is no object."""
    scope: str = _DEPLOY
    also: tuple[str, ...] = ()
    """Members besides `key` by which an object is found, if only one has that value."""
    aliases: tuple[str, ...] = ()
    removal: tuple[str, str] | None = ("DELETE", "")
    """Method and path that delete an object; an empty path is `path` with the key behind it."""
    instead: str = ""
    """What to do if objects cannot be deleted."""
    addresses: tuple[str, ...] = ()
    """Members with URLs of the gateway."""
    in_pages: bool = False
    """Whether answers have a part of the objects, and `next`; one is found by its id only."""

    @property
    def plural(self) -> str:
        """The name in the plural."""
        return f"{self.name}s"

    def name_of(self, item: Mapping[str, Any]) -> str:
        """What identifies an object, as one word."""
        return "/".join(str(item[part]) for part in self.key)

    def names_of(self, item: Mapping[str, Any]) -> tuple[str, ...]:
        """All names by which an object is found, the identifying one first."""
        others = [str(item[part]) for part in self.also if item.get(part)]
        if "version" in item and "name" in self.also:
            others.append(f"{item['name']}:{item['version']}")
        return (self.name_of(item), *others)

    def path_of_removal(self, item: Mapping[str, Any], template: str) -> str:
        """The path of the request that deletes an object."""
        parts = [quote(str(item[part]), safe="") for part in self.key]
        if template:
            return template.format(**dict(zip(self.key, parts, strict=True)))
        return "/".join((self.path, *parts))


KINDS: Final = (
    Kind(
        "api",
        "/api/deployer/1.2.0/apis",
        "apis",
        ("id",),
        rows.api_row,
        "no API is deployed; kapi deploy --help",
        also=("name",),
        removal=("POST", _UNDEPLOY),
        addresses=("urls",),
    ),
    Kind(
        "client",
        "/api/clients",
        "clients",
        ("client_id",),
        rows.client_row,
        "no client; kapi client create --help",
        "kapi:clients",
        also=("client_name",),
    ),
    Kind(
        "user",
        "/api/users",
        "users",
        ("username",),
        rows.user_row,
        "no user; kapi user add --help",
        "kapi:users",
    ),
    Kind(
        "session",
        "/api/sessions",
        "sessions",
        ("id",),
        rows.session_row,
        "no session",
        "kapi:users",
        in_pages=True,
    ),
    Kind(
        "consent",
        "/api/consents",
        "consents",
        ("id",),
        rows.consent_row,
        "no consent",
        "kapi:users",
        in_pages=True,
    ),
    Kind(
        "application",
        "/api/applications/1.2.0",
        "applications",
        ("id",),
        rows.application_row,
        "no application; kapi app create --help",
        also=("name",),
        aliases=("app", "apps"),
    ),
    Kind(
        "subscription",
        "/api/subscriptions/1.2.0",
        "subscriptions",
        ("id",),
        rows.subscription_row,
        "no subscription; kapi subscription add --help",
    ),
    Kind(
        "issuer",
        "/api/issuers",
        "issuers",
        ("name",),
        rows.issuer_row,
        "no other issuer is trusted; kapi issuer add --help",
        "kapi:issuers",
        also=("issuer",),
    ),
    Kind(
        "secret",
        "/api/secrets/1.2.0",
        "secrets",
        ("name", "key"),
        rows.secret_row,
        "no secret is set; kapi secret set --help",
    ),
    Kind(
        "key",
        "/api/keys",
        "keys",
        ("kid",),
        rows.key_row,
        "no signing key",
        "kapi:keys",
    ),
    Kind(
        "api-key",
        "/api/api-keys/1.2.0",
        "apiKeys",
        ("id",),
        rows.api_key_row,
        "no API key; kapi api-key create --help",
    ),
    Kind(
        "node",
        "/api/nodes",
        "nodes",
        ("name",),
        rows.node_row,
        "no node",
        also=("id",),
        removal=None,
        instead="Stop it: kapi down. A killed one is forgotten after a day.",
    ),
)


def kind_named(word: str) -> Kind | None:
    """The kind of a word: its name, its plural or an alias."""
    for kind in KINDS:
        if word.lower() in {kind.name, kind.plural, *kind.aliases}:
            return kind
    return None


def kind_of(name: str) -> Kind:
    """A kind that exists."""
    found = kind_named(name)
    assert found is not None  # noqa: S101 - names in this package
    return found


def plurals() -> Iterable[str]:
    """The names of all kinds in the plural."""
    return (kind.plural for kind in KINDS)
