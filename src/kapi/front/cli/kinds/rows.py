"""Rows of tables: one for each object of a kind."""

from __future__ import annotations

import time
from typing import Any

Item = dict[str, Any]


def api_row(item: Item) -> Item:
    """Of a deployed API."""
    return {key: item[key] for key in ("id", "name", "version", "organization", "urls")}


def client_row(item: Item) -> Item:
    """Of an OAuth client."""
    columns = ("client_id", "client_name", "grant_types", "source")
    return {name: item.get(name, "") for name in columns}


def user_row(item: Item) -> Item:
    """The row of a person in a table."""
    columns = ("username", "organizations", "groups", "super_admin", "source")
    return {name: item[name] for name in columns}


def session_row(item: Item) -> Item:
    """Of a session at the inbuilt provider."""
    return {
        "id": item["id"],
        "user": item["user"],
        "organization": item["organization"],
        "since": moment(item["signedInAt"]),
        "expires": moment(item["expiresAt"]),
        "clients": item["clients"],
    }


def consent_row(item: Item) -> Item:
    """Of what a person allowed a client."""
    return {
        "id": item["id"],
        "user": item["user"],
        "client": item["clientName"] or item["client"],
        "scopes": item["scopes"],
        "given": moment(item["givenAt"]),
    }


def application_row(item: Item) -> Item:
    """The row of an application in a table."""
    keys = " ".join(
        f"{key['consumerKey']} ({key['type'].lower()})" for key in item["keys"]
    )
    named = {name: item[name] for name in ("name", "id", "tier", "source")}
    return {**named, "keys": keys, "subscriptions": len(item["subscriptions"])}


def subscription_row(item: Item) -> Item:
    """The row of a subscription in a table."""
    named = {}
    if "application" in item:
        named = {"application": item["application"]}
    api = {"api": item["api"]["name"], "version": item["api"]["version"]}
    return {
        "id": item["id"],
        **named,
        **api,
        "status": item["status"],
        "tier": item["tier"],
    }


def issuer_row(item: Item) -> Item:
    """Of a trusted issuer."""
    status = item["status"]
    state = status["error"] or ("ok" if status["keys"] else "no keys yet")
    return {
        "name": item["name"],
        "issuer": item["issuer"],
        "for": item["organization"],
        "audiences": item["audiences"],
        "keys": len(status["keys"]),
        "refused": sum(status["refusals"].values()),
        "state": state,
    }


def secret_row(item: Item) -> Item:
    """Of a named secret; never its value."""
    return {name: item[name] for name in ("name", "key", "source")}


def key_row(item: Item) -> Item:
    """Of a signing key."""
    return {
        "kid": item["kid"],
        "algorithm": item["algorithm"],
        "state": item["state"],
        "created": moment(item["createdAt"]),
        "due": moment(item["dueAt"]),
    }


def api_key_row(item: Item) -> Item:
    """Of an API key."""
    return {
        "id": item["id"],
        "kind": item["kind"],
        "application": item["application"],
        "keyType": item["keyType"],
        "apis": " ".join(f"{api['name']}:{api['version']}" for api in item["apis"]),
        "state": "revoked" if item["revoked"] else "active",
    }


def node_row(item: Item) -> Item:
    """Of a node that shares the database."""
    return {
        "node": item["name"],
        "version": item["version"],
        "state": item["state"],
        "change": item["change"],
        "seen": f"{item['seenSeconds']} s ago",
    }


def moment(seconds: int | None) -> str:
    """A time in seconds since the epoch, as the local time."""
    if seconds is None:
        return ""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
