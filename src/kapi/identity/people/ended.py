"""Accounts that ended: tokens that were issued about them before are refused.

An account ends when it is removed or disabled, or when its password changes (`store/accounts.py`).
Tokens about a person are tied to the account.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from typing import Any

from kapi.dataclass import dataclass
from kapi.identity.clients.registry import ClientRegistry
from kapi.identity.keys.shared_keys import SharedKeys
from kapi.identity.people.subjects import Subjects
from kapi.settings import IdentitySettings
from kapi.store.accounts import Accounts, Ending
from kapi.store.families import Families

_MARK_DIGITS = 4


@dataclass(frozen=True, slots=True)
class EndedAccounts:
    """The accounts that ended, and what refers to them."""

    accounts: Accounts
    families: Families
    registry: ClientRegistry
    subjects: Subjects


def is_of_ended_account(
    ended: EndedAccounts, claims: Mapping[str, Any], client_id: str, now: int
) -> bool:
    """Whether a token of this provider is about an account that ended after its issue."""
    issued, subject = claims.get("iat"), claims.get("sub")
    if not isinstance(issued, int):
        return False
    for account, ended_at in ended.accounts.ended_since(issued):
        if subject not in _subjects(ended, account, client_id):
            continue
        # Within one second, the store decides: an older token is not tied to the account any more.
        if ended_at > issued or not ended.families.person_of(
            str(claims.get("jti", "")), now
        ):
            return True
    return False


def tied(
    families: Families, new_id: Callable[[], str], user: str, expires_at: int
) -> str:
    """A new id for an access token without a family; tied to the account of `user`, or empty."""
    jti = new_id()
    if user:
        families.tie(user, jti, expires_at)
    return jti


def settle_accounts(
    identity: IdentitySettings, accounts: Accounts, keys: SharedKeys, now: int
) -> None:
    """End the accounts of the settings that were removed or got another password."""
    key = keys.get("settings-accounts")
    marks = {item.username: _mark(key, item.password) for item in identity.users}
    if marks != accounts.marks():
        ending = Ending(identity.issuer, now, "the settings changed the account")
        accounts.settle(marks, ending)


def _mark(key: bytes, password: str) -> str:
    """Differs for another password in 65,535 of 65,536 cases; too short to find a password by."""
    mark = hmac.digest(key, password.encode("utf-8", "surrogatepass"), "sha256").hex()
    return mark[:_MARK_DIGITS]


def _subjects(ended: EndedAccounts, account: str, client_id: str) -> set[str]:
    """The possible `sub` for an account: its subject, and the pairwise one of the client."""
    client = ended.registry.known_client(client_id)
    if client is None:
        return {account}
    return {account, ended.subjects.of(client, account)}
