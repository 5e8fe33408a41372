"""Accounts that ended: tokens that were issued about them before are refused.

An account ends when it is removed or disabled, or when its password changes (`store/accounts.py`).
Tokens about a person are tied to the account.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any

from kapi.identity.people.subjects import subject_for
from kapi.identity.provider import Provider
from kapi.store.accounts import Ending

_MARK_DIGITS = 4


def is_of_ended_account(
    provider: Provider, claims: Mapping[str, Any], client_id: str, now: int
) -> bool:
    """Whether a token of this provider is about an account that ended after its issue."""
    issued, subject = claims.get("iat"), claims.get("sub")
    if not isinstance(issued, int):
        return False
    for account, ended_at in provider.accounts.ended_since(issued):
        if subject not in _subjects(provider, account, client_id):
            continue
        # Within one second, the store decides: an older token is not tied to the account any more.
        if ended_at > issued or not provider.families.person_of(
            str(claims.get("jti", "")), now
        ):
            return True
    return False


def tied(provider: Provider, user: str, expires_at: int) -> str:
    """A new id for an access token without a family; tied to the account of `user`, or empty."""
    jti = provider.new_id()
    if user:
        provider.families.tie(user, jti, expires_at)
    return jti


def settle_accounts(provider: Provider, now: int) -> None:
    """End the accounts of the settings that were removed or got another password."""
    key = provider.platform_keys.get_or_make(
        "settings-accounts", lambda: provider.random_bytes(32)
    )
    marks = {
        item.username: _mark(key, item.password)
        for item in provider.settings.identity.users
    }
    if marks != provider.accounts.marks():
        ending = Ending(
            provider.settings.identity.issuer, now, "the settings changed the account"
        )
        provider.accounts.settle(marks, ending)


def _mark(key: bytes, password: str) -> str:
    """Differs for another password in 65,535 of 65,536 cases; too short to find a password by."""
    mark = hmac.digest(key, password.encode("utf-8", "surrogatepass"), "sha256").hex()
    return mark[:_MARK_DIGITS]


def _subjects(provider: Provider, account: str, client_id: str) -> set[str]:
    """The possible `sub` for an account: its subject, and the pairwise one of the client."""
    client = provider.registry.known_client(client_id)
    if client is None:
        return {account}
    return {account, subject_for(provider, client, account)}
