"""Accounts that ended: what was issued about them before counts nowhere, and what is issued about a person is tied to the account.

An account ends when it is removed or disabled, and when its password changes (`store/accounts.py` says what goes with it).
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
    """Whether a token of ours, issued to this client, is about a person whose account ended after the token was issued."""
    issued, subject = claims.get("iat"), claims.get("sub")
    if not isinstance(issued, int):
        return False
    for account, ended_at in provider.accounts.ended_since(issued):
        if subject not in _subjects(provider, account, client_id):
            continue
        # Within one second only the store knows what came first: what was issued before is not tied to the account any more.
        if ended_at > issued or not provider.families.person_of(str(claims.get("jti", "")), now):
            return True
    return False


def tied(provider: Provider, user: str, expires_at: int) -> str:
    """A fresh id for an access token that belongs to no family. Where it is about a person, the token ends with the account."""
    jti = provider.new_id()
    if user:
        provider.families.tie(user, jti, expires_at)
    return jti


def settle_accounts(provider: Provider, now: int) -> None:
    """End the accounts of people who left the settings since the last start, and of those whose password is another one now."""
    key = provider.platform_keys.get_or_make("settings-accounts", lambda: provider.random_bytes(32))
    marks = {item.username: _mark(key, item.password) for item in provider.settings.identity.users}
    if marks != provider.accounts.marks():
        ending = Ending(provider.settings.identity.issuer, now, "the settings changed the account")
        provider.accounts.settle(marks, ending)


def _mark(key: bytes, password: str) -> str:
    """Tells another password in all but one of 65,536 cases, and is too short to find a password by."""
    return hmac.digest(key, password.encode("utf-8", "surrogatepass"), "sha256").hex()[
        :_MARK_DIGITS
    ]


def _subjects(provider: Provider, account: str, client_id: str) -> set[str]:
    """What `sub` may be for an account: its subject, and the pairwise one of the client."""
    client = provider.known_client(client_id)
    return {account} if client is None else {account, subject_for(provider, client, account)}
