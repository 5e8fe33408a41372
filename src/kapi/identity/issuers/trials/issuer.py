"""The steps of `kapi issuer test`: all that a token of an issuer depends on.

Each fault has its likely cause.

Fetches anew, changes nothing. A token that is tried is neither kept nor logged.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Any

from kapi.errors import Unfetched
from kapi.fetch import Document, FetchOptions
from kapi.identity.issuers.fetching import Get, discovered
from kapi.identity.issuers.following import Followed
from kapi.identity.issuers.trials.token import Step, token_steps
from kapi.jose.jwk_set import read_jwks

_HINTS = {
    "name": "Check the spelling of the domain, and this machine's name service.",
    "connect": "Check that this machine reaches it: firewall, proxy, port.",
    "tls": "If it has a certificate authority of its own, give it: kapi issuer add … --ca FILE.",
    "timeout": "It is slow or filtered; keys that are known stay in use meanwhile.",
    "address": "It is on a private network: identity.keys_private_networks = true allows that.",
    "status": "Check the address: tenant, realm and version are part of the path.",
    "redirect": "Give the address it redirects to; redirects to other hosts are not followed.",
    "size": "This does not look like a JWK Set.",
    "issuer": "Declare the issuer exactly as the document says it: slash, scheme and case count.",
}


def trial(
    followed: Followed, token: str, get: Get, options: FetchOptions, now: float
) -> tuple[Step, ...]:
    """All steps, those of the token only when there is one."""
    walk = _Walk(
        followed,
        get,
        dataclasses.replace(options, ca=followed.issuer.ca, other_hosts=False),
        now,
    )
    steps = (
        list(walk.network())
        if followed.issuer.fetches
        else [
            Step("keys", "ok", "the public key was given by hand; nothing is fetched")
        ]
    )
    if token:
        steps += token_steps(token, followed.issuer, walk.keys, int(now))
    return tuple(steps)


class _Walk:
    """The steps over the network, and the keys they found."""

    def __init__(
        self, followed: Followed, get: Get, options: FetchOptions, now: float
    ) -> None:
        self.issuer, self.state = followed.issuer, followed.state
        self.keys = followed.state.keys
        self._get, self._options, self._now = get, options, now
        self._date = ""

    def network(self) -> Iterator[Step]:
        uri = self.issuer.jwks_uri
        try:
            found = discovered(self.issuer, self._watched, self._options)
            yield Step("discovery", "ok", f"{self.issuer.discovery} names {found}")
            if uri and uri != found:
                yield Step(
                    "discovery",
                    "note",
                    f"keys are taken from {uri}, not from there",
                    "Leave jwksUri out to follow the document.",
                )
            uri = uri or found
        except Unfetched as error:
            yield Step(
                "discovery",
                "note" if uri else "fail",
                error.detail,
                _HINTS.get(error.code, error.hint),
            )
        if uri:
            yield from self._jwks(uri)
        yield from self._clock()
        yield self._in_force()

    def _watched(self, url: str, options: FetchOptions, headers: Any) -> Document:
        document = self._get(url, options, headers)
        self._date = document.headers.get("date", self._date)
        return document

    def _jwks(self, uri: str) -> Iterator[Step]:
        try:
            document = self._watched(
                uri,
                self._options,
                {"Accept": "application/jwk-set+json, application/json"},
            )
            keys = read_jwks(document.content, self.issuer.algorithms)
        except Unfetched as error:
            yield Step("keys", "fail", error.detail, _HINTS.get(error.code, error.hint))
            return
        except ValueError as error:
            yield Step(
                "keys", "fail", f"{uri}: {error}", "Check the address of the JWKS."
            )
            return
        yield Step(
            "tls",
            "ok",
            "the server's certificate is valid"
            if uri.startswith("https:")
            else "plain http, on this machine only",
        )
        shown = ", ".join(
            f"{key.kid or 'without kid'} ({' '.join(key.algorithms)})"
            for key in keys.keys
        )
        for reason in keys.ignored:
            yield Step("keys", "note", f"{reason}; it is not used")
        if keys.keys:
            self.keys = keys
            yield Step("keys", "ok", f"{len(keys.keys)} usable at {uri}: {shown}")
        else:
            hint = (
                "Accept its algorithm (--algorithm),"
                " or let the provider sign with RS256 or ES256."
            )
            yield Step("keys", "fail", f"no usable key at {uri}", hint)

    def _clock(self) -> Iterator[Step]:
        try:
            apart = parsedate_to_datetime(self._date).timestamp() - self._now
        except (ValueError, TypeError):
            return
        # The header has whole seconds, and the answer took a moment.
        if abs(apart) > self.issuer.clock_skew + 2:
            yield Step(
                "clock",
                "fail",
                f"the issuer's clock is {apart:+.0f} s from ours",
                "Set the clock (NTP), or allow more: clockSkew.",
            )
        else:
            yield Step("clock", "ok", f"within {abs(apart):.0f} s of the issuer's")

    def _in_force(self) -> Step:
        held, count = self.state.keys, len(self.state.keys.keys)
        if not count:
            return Step(
                "in force",
                "fail",
                f"no key is in force yet: {self.state.error or 'none was fetched'}",
                "Mend the steps above.",
            )
        age = max(0, int(self._now) - self.state.fetched_at)
        if held.jwks() != self.keys.jwks():
            return Step(
                "in force",
                "note",
                f"{count} keys, confirmed {age} s ago; the issuer has others now",
                "They are taken up at the next fetch.",
            )
        return Step("in force", "ok", f"{count} keys, confirmed {age} s ago")


__all__ = ["Step", "trial"]
