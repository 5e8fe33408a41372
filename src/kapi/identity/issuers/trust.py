"""The trusted issuers with their keys: those of the settings, and those added at run time.

Tells the gateway after each change. A set that the gateway refuses is taken out again alone, so
that one issuer cannot hold up the others. Made by `app.py`; read by the system APIs' check of
callers, the issuers API and the metrics.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from kapi import error_codes
from kapi.addresses import is_loopback
from kapi.errors import GatewayError, GatewayRejected, Problem, StorageError
from kapi.fetch import FetchOptions
from kapi.identity.issuers.conflicts import exists, refuse_conflict
from kapi.identity.issuers.declaration import Issuer, declare
from kapi.identity.issuers.fetching import LARGEST_DOCUMENT, SECONDS, Get, fetch_keys
from kapi.identity.issuers.following import Followed, Pace
from kapi.identity.issuers.kept import declaration_text, declared, stored_declarations
from kapi.identity.issuers.refused_tokens import RefusedTokens
from kapi.identity.issuers.trials.issuer import Step, trial
from kapi.identity.issuers.verify import INBUILT, IssuerKeys
from kapi.settings import IssuerSettings, Settings
from kapi.store.engine.database import StoreClosed
from kapi.store.issuers import IssuerStore, StoredIssuer, StoredKeys

_LOG = logging.getLogger("kapi.issuers")
_MOST_PAUSE = 30.0
_MOST_TRIES = 5
Publish = Callable[[Sequence[IssuerKeys]], None]
"""Makes the gateway trust these; raises GatewayError with nothing changed."""


class Trust:
    """The current issuers. Safe to share between threads."""

    def __init__(
        self,
        *,
        settings: Settings,
        store: IssuerStore,
        get: Get,
        inbuilt: IssuerKeys | None,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Has the last valid keys of the store at once. Raises Invalid for faulty settings."""
        identity, gateway = settings.identity, settings.gateway
        private = is_loopback(gateway.listen) or identity.keys_private_networks
        self._options = FetchOptions(
            LARGEST_DOCUMENT, SECONDS, private, hosts=gateway.hosts
        )
        self._pace = Pace(identity.keys_refresh, identity.keys_cooldown)
        self._store, self._get, self._now, self._clock = store, get, now, clock
        self._inbuilt = inbuilt
        self._publish: Publish | None = None
        self._lock = threading.RLock()
        self._one_publish = threading.RLock()
        self._dirty, self._stopped = threading.Event(), threading.Event()
        self.refused_tokens = RefusedTokens()
        self.fixed = frozenset(item.name for item in identity.issuers)
        """Names of the issuers of the settings, which cannot be changed while running."""
        fixed = [declare(item, gateway.hosts) for item in identity.issuers]
        self._followed = {item.name: self._follow(item) for item in fixed}
        self._settled: dict[str, tuple[Followed, str]] = {}
        """Stored issuers with their declarations; no change that may still be refused."""
        self._load()
        for item in self.followed():
            for warning in item.issuer.warnings:
                _LOG.warning("issuer %s: %s", item.issuer.name, warning)
        self._accepted = {item.issuer.name: item for item in self.issuers()}

    def _load(self) -> None:
        self._stored = self._declarations()
        for issuer in stored_declarations(self._store, self.fixed, self._options.hosts):
            self._followed[issuer.name] = self._follow(issuer)
        self._settle(self._stored)

    def _settle(self, names: Iterable[str]) -> None:
        """What is followed under these names is what is stored."""
        for name in names:
            followed = self._followed.get(name)
            if followed is not None and name in self._stored:
                self._settled[name] = (followed, self._stored[name])
            else:
                self._settled.pop(name, None)

    def _declarations(self) -> dict[str, str]:
        """The stored declarations by name, except those that the settings replace."""
        stored = self._store.issuers()
        return {
            item.name: item.declaration
            for item in stored
            if item.name not in self.fixed
        }

    def take_up_stored(self) -> None:
        """Take up what other nodes added, changed or removed."""
        with self._one_publish:
            stored = self._declarations()
            if stored == self._stored:
                return
            changed = dict(stored.items() - self._stored.items()).keys()
            gone = self._stored.keys() - stored.keys()
            for name in gone:
                self._replace(name, None)
            for issuer in stored_declarations(
                self._store, self.fixed, self._options.hosts
            ):
                if issuer.name in changed:
                    self._replace(issuer.name, self._follow(issuer))
            self._stored = stored
            self._settle({*changed, *gone})
            self._dirty.set()

    def _replace(self, name: str, followed: Followed | None) -> None:
        with self._lock:
            before = self._followed.pop(name, None)
            if followed is not None:
                self._followed[name] = followed
        if before is not None:
            before.stop()
        if followed is not None:
            followed.start()

    def _follow(self, issuer: Issuer) -> Followed:
        return Followed(
            issuer,
            fetch=partial(fetch_keys, issuer, self._get, self._options),
            kept=self._store.keys(issuer.name),
            changed=self._changed,
            pace=self._pace,
            now=self._now,
            clock=self._clock,
        )

    def start(self, publish: Publish) -> None:
        """Follow each issuer, and publish changes to the gateway."""
        self._publish = publish
        threading.Thread(
            target=self._publish_changes, name="issuer-keys", daemon=True
        ).start()
        for followed in self.followed():
            followed.start()

    def stop(self) -> None:
        """Stop the threads of all issuers."""
        self._stopped.set()
        self._dirty.set()
        for followed in self.followed():
            followed.stop()

    def followed(self) -> tuple[Followed, ...]:
        """All but the inbuilt provider, by name."""
        with self._lock:
            return tuple(self._followed[name] for name in sorted(self._followed))

    def find(self, name: str) -> Followed:
        """One of them. Raises Problem 404."""
        with self._lock:
            if name in self._followed:
                return self._followed[name]
        raise Problem.of(
            error_codes.ISSUER_NOT_FOUND,
            f"there is no issuer {name!r}",
            hint="See them with: kapi issuer list.",
        )

    def issuers(self) -> tuple[IssuerKeys, ...]:
        """Whose tokens are accepted now, each with at least one key."""
        fetched = (
            IssuerKeys(item.issuer, item.state.keys)
            for item in self.followed()
            if item.state.keys.keys
        )
        if self._inbuilt is None:
            return tuple(fetched)
        return (self._inbuilt, *fetched)

    def use_inbuilt(self, inbuilt: IssuerKeys | None) -> None:
        """The inbuilt provider has other keys from now on."""
        self._inbuilt = inbuilt
        self._dirty.set()

    def name_of(self, issuer: str) -> str:
        """The name of the issuer with this `iss`; empty when there is none."""
        for item in self.issuers():
            if item.issuer.is_named(issuer):
                return item.issuer.name
        return ""

    def publish_inbuilt(self, inbuilt: IssuerKeys | None) -> None:
        """The same, after the gateway confirmed it. Raises its error with nothing changed."""
        with self._one_publish:
            before, self._inbuilt = self._inbuilt, inbuilt
            try:
                self._tell(self.issuers())
            except Exception:
                self._inbuilt = before
                raise

    def refused(self, name: str, reason: str) -> None:
        """Count a rejected token. If no key fits it, fetch its issuer's keys."""
        with self._lock:
            followed = self._followed.get(name)
        self.refused_tokens.add(name if followed or name == INBUILT else "", reason)
        # The key may be new, or its kid may be an old one's.
        if followed and reason in {"unknown key", "signature"}:
            followed.unknown_key()

    def look_again(self) -> None:
        """Fetch all keys, within each cool-down: an identity worker met an unknown key."""
        for followed in self.followed():
            followed.unknown_key()

    def change(
        self, name: str, changed: Callable[[IssuerSettings], IssuerSettings]
    ) -> Followed:
        """Change an issuer that was added. Raises what `add` and `changed` do, or Problem 404."""
        for _ in range(_MOST_TRIES):
            self._refuse_fixed(name)
            followed, before = self.find(name), self._stored.get(name)
            if before is None:
                return followed  # Another request is about to remove it.
            settings = changed(declared(before))
            try:
                return self._added(settings, replace=True, before=before)
            except _OutdatedError:
                self.take_up_stored()
        raise Problem.of(
            error_codes.ISSUER_EXISTS,
            f"others change the issuer {name} at the same time",
            hint="Send the request again.",
        )

    def add(self, settings: IssuerSettings, *, replace: bool = False) -> Followed:
        """Trust another issuer from now on; its keys are fetched first, but need not arrive.

        Raises Invalid, Problem 409, or GatewayError with nothing changed.
        """
        return self._added(settings, replace=replace)

    def _added(
        self, settings: IssuerSettings, *, replace: bool, before: str | None = None
    ) -> Followed:
        """The same. Raises _OutdatedError if the stored declaration is not `before`."""
        issuer = declare(settings, self._options.hosts)
        followed = self._follow(issuer)
        self._refuse_conflicts(issuer, replace=replace)
        if issuer.fetches:
            followed.fetch_now()
        with self._one_publish:
            with self._lock:
                self._refuse_conflicts(issuer, replace=replace)
                earlier = self._followed.get(issuer.name)
                self._followed[issuer.name] = followed
            try:
                self._tell(self.issuers())
                self._keep(settings, replace=replace, before=before)
            except Exception:
                self._put_back(issuer.name, earlier)
                raise
        self._save_keys(followed)
        if earlier:
            earlier.stop()
        followed.start()
        _LOG.info("issuer %s: trusted from now on: %s", issuer.name, issuer.issuer)
        return followed

    def _keep(
        self, settings: IssuerSettings, *, replace: bool, before: str | None
    ) -> None:
        declaration = declaration_text(settings)
        stored = StoredIssuer(settings.name, declaration, int(self._now()))
        if not self._store.save(stored, replace=replace, before=before):
            # Another node was faster.
            raise exists(settings.name) if before is None else _OutdatedError
        self._stored[settings.name] = declaration
        self._settle((settings.name,))

    def check(self, settings: IssuerSettings) -> None:
        """Raise the errors of `add`, except those of the gateway."""
        self._refuse_conflicts(declare(settings, self._options.hosts), replace=True)

    def declaration(self, name: str) -> IssuerSettings | None:
        """The stored declaration of an issuer, or None."""
        text = self._stored.get(name)
        if text is None:
            return None
        return declared(text)

    def stored(self, name: str) -> str:
        """The current text of the stored declaration of an issuer, or an empty text."""
        return self._store.declaration(name)

    def current(self, name: str) -> tuple[Followed, str]:
        """The current issuer, which another node may have stored, and its declaration.

        The declaration of an issuer of the settings is empty. Raises Problem 404.
        """
        if self.stored(name) != self._stored.get(name, ""):
            self.take_up_stored()
        settled = self._settled.get(name)
        if settled is None:
            return self.find(name), ""
        return settled

    def remove(self, name: str) -> None:
        """Remove an issuer. Raises Problem 404 or 409, or GatewayError with nothing changed."""
        self._refuse_fixed(name)
        with self._one_publish:
            followed = self.find(name)
            with self._lock:
                del self._followed[name]
            try:
                self._tell(self.issuers())
                self._store.delete(name)
                self._stored.pop(name, None)
                self._settle((name,))
            except Exception:
                self._put_back(name, followed)
                raise
        followed.stop()
        _LOG.info("issuer %s: no longer trusted", name)

    def test(self, followed: Followed, token: str) -> tuple[Step, ...]:
        """Everything a token of this issuer depends on, step by step; see `trials/issuer.py`."""
        return trial(followed, token, self._get, self._options, self._now())

    def _put_back(self, name: str, before: Followed | None) -> None:
        with self._lock:
            if before is None:
                self._followed.pop(name, None)
            else:
                self._followed[name] = before
        self._dirty.set()

    def _refuse_fixed(self, name: str) -> None:
        if name in self.fixed:
            raise Problem.of(
                error_codes.ISSUER_EXISTS,
                f"{name} is declared in the settings",
                hint="Change it in kapi.toml, then: kapi reload.",
            )

    def _refuse_conflicts(self, issuer: Issuer, *, replace: bool) -> None:
        self._refuse_fixed(issuer.name)
        if self._inbuilt and self._inbuilt.issuer.is_named(issuer.issuer):
            raise Problem.of(
                error_codes.ISSUER_EXISTS,
                f"{issuer.issuer} is the inbuilt provider",
                hint="Give the other provider's issuer.",
            )
        refuse_conflict(
            issuer, [item.issuer for item in self.followed()], replace=replace
        )

    def _changed(self, followed: Followed) -> None:
        with self._lock:
            mine = self._followed.get(followed.issuer.name) is followed
        if mine:
            self._dirty.set()
            self._save_keys(followed)

    def _save_keys(self, followed: Followed) -> None:
        issuer, state = followed.issuer, followed.state
        if not issuer.fetches or not state.keys.keys:
            return
        kept = StoredKeys(
            issuer.name,
            issuer.source,
            state.keys.jwks(),
            state.jwks_uri,
            state.etag,
            state.fetched_at,
            state.changed_at,
        )
        try:
            self._store.save_keys(kept)
        except StoreClosed:
            return  # The platform stops, and the last fetch is still running.
        except Exception:
            _LOG.exception("issuer %s: its keys could not be kept", issuer.name)

    def _publish_changes(self) -> None:
        pause = 1.0
        while not self._stopped.is_set():
            self._dirty.wait()
            self._dirty.clear()
            if self._stopped.is_set():
                return
            try:
                with self._one_publish:
                    self._tell_each()
                pause = 1.0
            except StoreClosed:
                return  # The platform stops.
            except (GatewayError, StorageError) as error:
                _LOG.warning(
                    "the gateway did not take the issuers' keys: %s", error.detail
                )
                self._stopped.wait(pause)
                pause = min(_MOST_PAUSE, pause * 2)
                self._dirty.set()

    def _tell_each(self) -> None:
        """Publish all at once; if the gateway refuses, each alone: only the faulty one waits."""
        wanted = {item.issuer.name: item for item in self.issuers()}
        try:
            self._tell(tuple(wanted.values()))
        except GatewayRejected:
            for name, item in wanted.items():
                if self._accepted.get(name) == item:
                    continue
                try:
                    self._tell(tuple({**self._accepted, name: item}.values()))
                except GatewayRejected as error:
                    _LOG.error(
                        "issuer %s: the gateway refuses it: %s", name, error.detail
                    )

    def _tell(self, issuers: Sequence[IssuerKeys]) -> None:
        if self._publish is not None:
            self._publish(issuers)
        self._accepted = {item.issuer.name: item for item in issuers}


class _OutdatedError(Exception):
    """The declaration was changed or removed since it was read."""


__all__ = ["INBUILT", "Publish", "Trust"]
