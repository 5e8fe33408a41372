"""One test issuer: the real provider over a store of its own, with the powers of a test."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from kapi.front.web.identity.app import build_identity_app
from kapi.identity.issuers.disagreements import disagreements
from kapi.identity.issuers.verify import IssuerKeys
from kapi.identity.keys.keyring import load_keyring, needed_algorithms
from kapi.identity.provider import Provider
from kapi.identity.wiring import make_provider
from kapi.settings import IdentitySettings, Settings
from kapi.store import Store
from kapi.store.keys import Keys
from kapi.testing.addresses import Addresses
from kapi.testing.explain.errors import Explaining
from kapi.testing.explain.token import explain_token
from kapi.testing.faults.plan import FaultPlan
from kapi.testing.http.browsing import Browsing
from kapi.testing.http.calls import (
    App,
    Call,
    Onward,
    Reply,
    Step,
    calling,
    serving,
    through,
)
from kapi.testing.http.endpoints import EndpointNames
from kapi.testing.http.mount import Mount
from kapi.testing.http.recording import Recording
from kapi.testing.http.requests import request_of, run
from kapi.testing.minting.mint import draft_of, finished, wish_of
from kapi.testing.powers.clock import Clock
from kapi.testing.powers.journal import Journal
from kapi.testing.powers.keys import KeyDrills
from kapi.testing.powers.stock import stored
from kapi.testing.seed_files import read_seed, yaml_of_seed
from kapi.testing.seeds import exported, identity_of
from kapi.testing.stores import Stores
from kapi.testing.strictness import Admission, with_level
from kapi.testing.vendors.dressing import Dressing
from kapi.testing.vendors.keys import first_keys
from kapi.testing.vendors.vendor import CERTIFICATES, Vendor


class Issuer:
    """A provider with its own clients, users, keys, clock, faults and journal.

    `url` is its issuer identifier. `kapi.testing.Server.issuer` makes it.
    """

    def __init__(
        self,
        name: str,
        addresses: Addresses,
        stores: Stores,
        seed: Mapping[str, Any] | str | Path | None = None,
        level: str = "strict",
        platform: Provider | None = None,
        vendor: Vendor | None = None,
    ) -> None:
        """Raises SettingsError, ValueError.

        `platform` is the provider of a running platform, which has its own store and keys.
        `vendor` is a provider to emulate.
        """
        addresses.check()
        self.name = name
        self.addresses = addresses
        self.url = addresses.url
        self.base_url = addresses.base_url.rstrip("/")
        self.vendor = vendor
        self._dressing: Dressing | None = None
        self.clock = Clock(changed=self._clock_changed)
        self.journal = Journal()
        self._stores = stores
        self._seed = _with_lifetime(read_seed(seed or {}), vendor)
        self._first_level = level
        self._store: Store | None = None
        self.provider: Provider
        if platform is None:
            self._build(identity_of(self._seed), level)
        else:
            self._attach(platform)
        self.faults = FaultPlan(lambda: self.provider, self.clock)
        habit = None if vendor is None else vendor.emulation.keys
        self.keys = KeyDrills(lambda: self.provider, self._keys, self.clock, habit)
        self.app: App = serving(self.answer)

    # What a test asks for

    def token(self, user: str = "", **wish: Any) -> str:
        """A right access token: of a user, or of a client for itself. See `Wish` for the rest."""
        return self.mint(user=user, **wish)

    def mint(self, recipe: str | Sequence[str] = (), **wish: Any) -> str:
        """Any token: a recipe, and free header, claims and key. Raises ValueError.

        `mint("expired")`, `mint(claims={"aud": "orders", "exp": None}, key="other")`.
        """
        return self.mint_wish({"recipe": recipe, **wish})

    def mint_wish(self, members: Mapping[str, Any]) -> str:
        """As `mint`, from JSON."""
        wish = wish_of(members)
        draft = draft_of(self.provider, wish, self.clock.now)
        if self._dressing is not None:
            draft = self._dressing.tokens.dressed(draft, wish.audiences)
        return finished(draft, wish)

    def explain(self, token: str) -> dict[str, Any]:
        """What a token is, and whether this issuer's verifiers accept it now."""
        trusted = None if self.vendor is None else self.vendor.trusted
        provider = self.provider
        inbuilt = IssuerKeys.inbuilt(
            provider.issuer, provider.keyring.keys, provider.issuers
        )
        return explain_token(inbuilt, token, self.clock.now, trusted)

    def request(self, method: str, path: str, **parts: Any) -> Reply:
        """One request to the issuer in this process, without a socket.

        `path` is below the issuer. Parts: `form`, `json`, `headers`, `auth` (client id, secret).
        """
        reply: Reply = run(self.answer(request_of(method, path, **parts)))
        return reply

    def sign_in(self, url: str, user: str = "org1user") -> str:
        """Open an authorization request as a person of the seed, who signs in and allows it.

        Returns the redirect to the client. Raises ValueError if it does not come to that.
        """
        found = next(
            (item for item in self._identity.users if item.username == user), None
        )
        if found is None:
            raise ValueError(f"there is no user {user!r} in the seed")
        person = {"username": user, "password": found.password, "organization": ""}
        if found.organizations:
            person["organization"] = found.organizations[0]
        location: str = run(Browsing(self.answer, self.base_url, person).authorize(url))
        return location

    @property
    def client(self) -> tuple[str, str]:
        """Id and secret of the first client of the seed."""
        first = self._identity.clients[0]
        return first.id, first.secret

    @property
    def discovery_url(self) -> str:
        """The address of the discovery document (OpenID Connect Discovery §4)."""
        if self.vendor is not None:
            return f"{self.base_url}{urlsplit(self.vendor.trusted.discovery).path}"
        return f"{self.base_url}/.well-known/openid-configuration"

    @property
    def hosts(self) -> frozenset[str]:
        """The hosts that are this issuer's."""
        own = frozenset(urlsplit(address).netloc for address in self.addresses.all)
        return own if self.vendor is None else own | self.vendor.hosts

    def has_path(self, path: str) -> bool:
        """Whether this is a path of the emulated provider."""
        return self._dressing is not None and self._dressing.has(path)

    def check_addresses(self) -> list[dict[str, Any]]:
        """Each base address as seen from this process; `problem` tells where one disagrees."""
        return disagreements(self.url, self.addresses.all)

    # Strictness, seed, reset

    @property
    def level(self) -> str:
        """The strictness; see `strictness.py`."""
        return self._level

    @level.setter
    def level(self, level: str) -> None:
        with_level(self._identity, level)
        self._refuse_without_store("The strictness")
        self._use(with_level(self._identity, level), level)

    def seed(self) -> dict[str, Any]:
        """The issuer's clients, users and settings as a seed, for export."""
        return exported(self._identity)

    def reseed(self, seed: Mapping[str, Any] | str | Path) -> None:
        """Use another seed, and reset: members, or the text or the path of a file.

        Raises SettingsError, ValueError; nothing has changed then.
        """
        members = read_seed(seed)
        identity_of(members)
        self._refuse_without_store("The seed")
        self._seed = _with_lifetime(members, self.vendor)
        self.reset()

    def seed_file(self) -> str:
        """The seed as a YAML file, for export."""
        return yaml_of_seed(self.seed())

    def reset(self) -> None:
        """Back to the seed: store, keys, clock, faults, journal and strictness."""
        self.clock.reset()
        self.faults.clear()
        self.journal.clear()
        if self._store is None:
            return
        self._build(identity_of(self._seed), self._first_level)

    def state(self) -> dict[str, Any]:
        """For the HTTP interface."""
        return {
            "name": self.name,
            "issuer": self.url,
            "base_url": self.base_url,
            "base_urls": list(self.addresses.all),
            "vendor": "" if self.vendor is None else self.vendor.name,
            "discovery": self.discovery_url,
            "strictness": self.level,
            "clock": self.clock.state(),
            "faults": len(self.faults.values()),
        }

    def close(self) -> None:
        """Delete its store."""
        if self._store is not None:
            self._stores.remove(self._store)
            self._store = None

    # The way of a request

    async def answer(self, call: Call) -> Reply:
        """Answer a call whose path is below the issuer."""
        return await self._way(replace(call, endpoint=self._endpoint(call.path)))

    def _endpoint(self, path: str) -> str:
        if self._dressing is None:
            return self._names.find(path)
        if self._dressing.is_certificates(path):
            return CERTIFICATES
        return self._names.find(self._dressing.own_path(path))

    async def _admitting(self, call: Call, onward: Onward) -> Reply:
        if self._level == "lenient":
            self._admission.admit(self.provider, call)
        return await onward(call)

    def _build(self, identity: IdentitySettings, level: str) -> None:
        """A new store with keys, and the provider over it."""
        old, self._store = self._store, self._stores.new()
        keys = Keys(self._store.database)
        emulation = None if self.vendor is None else self.vendor.emulation
        for key, state in first_keys(emulation, needed_algorithms(identity)):
            keys.add(stored(key, state, self.clock.now))
        self._admission = Admission(os.urandom(16))
        self._identity = identity
        self._use(with_level(identity, level), level)
        if old is not None:
            self._stores.remove(old)

    def _use(self, identity: IdentitySettings, level: str) -> None:
        """Make the provider of these settings over the store."""
        self._level = level
        host = urlsplit(self.base_url).hostname or "localhost"
        identity = replace(identity, issuer=self.url, host=host)
        self.provider = make_provider(
            Settings(Path("/nonexistent"), identity),
            self._open_store,
            load_keyring(self._keys()),
            os.urandom,
            lambda: str(uuid.uuid4()),
            public_url=self.base_url,
        )
        self._compose()

    def _attach(self, platform: Provider) -> None:
        """Use the provider of a platform."""
        self.provider = platform
        self._identity = platform.settings.identity
        self._level = "settings"
        self._compose()

    def _refuse_without_store(self, what: str) -> None:
        if self._store is None:
            raise ValueError(
                f"{what} of the platform's own issuer is that of its settings;"
                " make an issuer of its own: POST /testing/issuers"
            )

    def _compose(self) -> None:
        """Make the way of a request over the provider."""
        self._names = EndpointNames(self.provider.published)
        inner = calling(build_identity_app(self.provider, self.clock))
        parts = urlsplit(self.base_url)
        steps: list[Step] = [
            Recording(self.journal, self.clock),
            self._faulting,
            Explaining(),
            self._admitting,
        ]
        if self.vendor is not None:
            self._dressing = Dressing(
                self.vendor, self.provider, self.base_url, self.clock
            )
            steps.insert(2, self._dressing)
        steps.insert(1, self.addresses)
        if self._level != "settings":
            steps.insert(
                0, Mount(parts.path, self.name, secure=parts.scheme == "https")
            )
        self._way = through(steps, inner)

    async def _faulting(self, call: Call, onward: Onward) -> Reply:
        return await self.faults(call, onward)

    def _keys(self) -> Keys:
        return Keys(self._open_store.database)

    @property
    def _open_store(self) -> Store:
        if self._store is None:
            raise ValueError("the platform's own issuer has no drills: use `kapi key`")
        return self._store

    def _clock_changed(self) -> None:
        if self._store is not None:
            self.keys.tick()


def _with_lifetime(seed: Mapping[str, Any], vendor: Vendor | None) -> dict[str, Any]:
    """The seed, with the lifetime of the vendor's tokens where it names none."""
    if vendor is None:
        return dict(seed)
    return {"token_lifetime": vendor.emulation.lifetime, **seed}
