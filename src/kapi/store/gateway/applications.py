"""Applications with their keys and subscriptions. Called by `gateway.applications`."""

from __future__ import annotations

from collections import defaultdict

from kapi.dataclass import dataclass
from kapi.store.engine.database import ConstraintViolated, Database
from kapi.store.gateway.declared import forget_declared

TOPIC = "applications"


@dataclass(frozen=True, slots=True)
class ConsumerKey:
    """A consumer key of an application.

    `key_type` is PRODUCTION or SANDBOX; an empty environment means all.
    """

    consumer_key: str
    key_type: str
    environment: str = ""


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription to the APIs with a name whose version matches a pattern.

    `created_at` is in seconds since the epoch.
    """

    id: str
    api_name: str
    api_version: str
    status: str = "ACTIVE"
    tier: str = ""
    created_at: int = 0


@dataclass(frozen=True, slots=True)
class Application:
    """An application; `source` is `settings` or `stored`."""

    id: str
    organization: str
    name: str
    tier: str = ""
    created_at: int = 0
    keys: tuple[ConsumerKey, ...] = ()
    subscriptions: tuple[Subscription, ...] = ()
    source: str = "stored"


class ApplicationStore:
    """The three tables. What breaks a rule of theirs (a name or a key taken) raises Taken."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> tuple[Application, ...]:
        """Every application, by organization and name."""
        keys: dict[str, list[ConsumerKey]] = defaultdict(list)
        for owner, *fields in self._database.rows(
            "SELECT application_id, consumer_key, key_type, environment FROM application_keys"
            " ORDER BY consumer_key"
        ):
            keys[owner].append(ConsumerKey(*fields))
        subscriptions: dict[str, list[Subscription]] = defaultdict(list)
        for owner, *fields in self._database.rows(
            "SELECT application_id, id, api_name, api_version, status, tier, created_at FROM"
            " subscriptions ORDER BY created_at, id"
        ):
            subscriptions[owner].append(Subscription(*fields))
        rows = self._database.rows(
            "SELECT id, organization, name, tier, created_at FROM applications ORDER BY"
            " organization, name"
        )
        return tuple(
            Application(
                own,
                organization,
                name,
                tier,
                created_at,
                tuple(keys[own]),
                tuple(subscriptions[own]),
            )
            for own, organization, name, tier, created_at in rows
        )

    def create(self, item: Application, *, shared_name: bool = False) -> None:
        """Keep a new application, without keys and subscriptions.

        With `shared_name` another of its organization may have its name. Raises Taken.
        """
        values = (item.id, item.organization, item.name, item.tier, item.created_at)
        sql = (
            "INSERT INTO applications (id, organization, name, tier, created_at) VALUES (?,"
            " ?, ?, ?, ?)"
        )
        same_name = "SELECT 1 FROM applications WHERE organization = ? AND name = ?"
        try:
            with self._database.transaction(TOPIC) as db:
                found = db.execute(same_name, (item.organization, item.name)).fetchone()
                if found and not shared_name:
                    raise Taken
                db.execute(sql, values)
        except ConstraintViolated as error:
            raise Taken from error

    def remove(self, application_id: str) -> None:
        """Forget an application with all that belongs to it."""
        with self._database.transaction(TOPIC) as db:
            own = "SELECT id FROM subscriptions WHERE application_id = ?"
            for (subscription,) in db.execute(own, (application_id,)).fetchall():
                forget_declared(db, "Subscription", subscription)
            forget_declared(db, "Application", application_id)
            db.execute("DELETE FROM applications WHERE id = ?", (application_id,))

    def update(self, item: Application, name: str | None, tier: str | None) -> None:
        """Replace name and tier of an application; what is None stays as another node has it.

        Raises Taken for a name that another one of its organization has.
        """
        same_name = (
            "SELECT 1 FROM applications WHERE organization = ? AND name = ? AND id <> ?"
        )
        sql = (
            "UPDATE applications SET name = COALESCE(?, name), tier = COALESCE(?, tier)"
            " WHERE id = ?"
        )
        with self._database.transaction(TOPIC) as db:
            if name is not None:
                others = db.execute(same_name, (item.organization, name, item.id))
                if others.fetchone():
                    raise Taken
            db.execute(sql, (name, tier, item.id))

    def add_key(self, application: Application, key: ConsumerKey) -> None:
        """Give an application a key."""
        values = (
            application.organization,
            key.consumer_key,
            application.id,
            key.key_type,
            key.environment,
        )
        sql = (
            "INSERT INTO application_keys"
            " (organization, consumer_key, application_id, key_type, environment) VALUES (?,"
            " ?, ?, ?, ?)"
        )
        self._insert(sql, values)

    def remove_key(self, application_id: str, consumer_key: str) -> None:
        """Take a key away."""
        self._delete(
            "DELETE FROM application_keys WHERE application_id = ? AND consumer_key = ?",
            (application_id, consumer_key),
        )

    def subscribe(self, application_id: str, item: Subscription) -> None:
        """Keep a new subscription."""
        values = (
            item.id,
            application_id,
            item.api_name,
            item.api_version,
            item.status,
            item.tier,
            item.created_at,
        )
        sql = (
            "INSERT INTO subscriptions"
            " (id, application_id, api_name, api_version, status, tier, created_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)"
        )
        self._insert(sql, values)

    def change(
        self, subscription_id: str, status: str | None, tier: str | None
    ) -> None:
        """Replace status and tier of a subscription; what is None stays as another node has it."""
        self._delete(
            "UPDATE subscriptions SET status = COALESCE(?, status), tier = COALESCE(?, tier)"
            " WHERE id = ?",
            (status, tier, subscription_id),
        )

    def unsubscribe(self, subscription_id: str) -> None:
        """Forget a subscription."""
        with self._database.transaction(TOPIC) as db:
            forget_declared(db, "Subscription", subscription_id)
            db.execute("DELETE FROM subscriptions WHERE id = ?", (subscription_id,))

    def _insert(self, sql: str, values: tuple[object, ...]) -> None:
        try:
            with self._database.transaction(TOPIC) as db:
                db.execute(sql, values)
        except ConstraintViolated as error:
            raise Taken from error

    def _delete(self, sql: str, values: tuple[object, ...]) -> None:
        with self._database.transaction(TOPIC) as db:
            db.execute(sql, values)


class Taken(Exception):
    """There is one of that name, key or kind already, or what it belongs to is gone."""
