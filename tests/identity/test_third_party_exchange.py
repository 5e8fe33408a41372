"""Token exchange (RFC 8693) of access tokens that other issuers issued: what becomes of them, and
everything that is none.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from client_keys import key as dpop_key
from client_keys import proof
from flows import ISSUER, NOW, Clock, client
from idp import Answer, basic, call, provider_of
from kapi.front.web.identity.app import build_identity_app
from kapi.identity.grants import token_exchange as token_exchange_grant
from kapi.identity.issuers.preset import ASYMMETRIC as ALGORITHMS
from kapi.identity.provider import Provider
from kapi.settings import IdentitySettings, IssuerSettings, Settings, UserSettings
from kapi.store import Store
from kapi.store.issuers import WANTED, IssuerStore, StoredIssuer, StoredKeys
from kapi.store.revocations import Revocations
from person import claims_of
from standin import Key

grant_type = token_exchange_grant.facts.grant_type

ACCESS, ID, JWT = (
    f"urn:ietf:params:oauth:token-type:{name}"
    for name in ("access_token", "id_token", "jwt")
)
ACME, OTHER, STRANGER, NEW = (
    Key.make("acme"),
    Key.make("other", "ES256"),
    Key.make("acme"),
    Key.make("new"),
)
ACME_ISS, OTHER_ISS = "https://acme.example/", "https://other.example"
ISSUERS = (
    IssuerSettings(
        "acme",
        issuer=ACME_ISS,
        public_key=ACME.pem(),
        audiences=("orders",),
        algorithms=("RS256",),
        required_claims={"tier": "gold"},
        claim_mappings={"org": "organization"},
        organizations={"org_1": "org1"},
    ),
    IssuerSettings("other", issuer=OTHER_ISS, public_key=OTHER.pem()),
    IssuerSettings(
        "tenant",
        issuer="https://tenant.example",
        public_key=OTHER.pem(),
        organization="org1",
    ),
    IssuerSettings(
        "staging",
        issuer="https://staging.example",
        public_key=OTHER.pem(),
        environments=("dev",),
    ),
    IssuerSettings("ours", issuer=ISSUER, public_key=OTHER.pem()),
)
BOTH = (grant_type, "client_credentials")
CLIENTS = (
    client(
        "orders",
        grants=BOTH,
        scopes=("read", "write"),
        exchange_issuers=("acme",),
        exchange_audiences=("https://stock.example",),
    ),
    client("all", grants=BOTH, exchange_issuers=("*",), exchange_from=("*",)),
    client(
        "mask",
        grants=BOTH,
        exchange_issuers=("acme", "other"),
        exchange_impersonates=True,
    ),
    client("none", grants=BOTH, exchange_from=("*",)),
    client("acme|client", grants=BOTH),
    client(
        "acting", grants=("client_credentials",), claims={"may_act": {"sub": "svc"}}
    ),
    client(
        "foreign-actor",
        grants=("client_credentials",),
        claims={"may_act": {"sub": "svc", "iss": OTHER_ISS}},
    ),
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store.open(tmp_path_factory.mktemp("third") / "kapi.db")


@pytest.fixture(scope="module")
def provider(store: Store) -> Provider:
    person = UserSettings("acme|taken", "x")
    identity = IdentitySettings(
        clients=CLIENTS,
        issuers=ISSUERS,
        users=(*IdentitySettings().users, person),
        algorithms=(),
    )
    return provider_of(Settings(Path("/nowhere"), identity), store)


@pytest.fixture(scope="module")
def app(provider: Provider) -> Any:
    return build_identity_app(provider, Clock())


def acme(by: Key = ACME, header: dict[str, Any] | None = None, **changes: Any) -> str:
    """An access token of acme about alice; `...` leaves a claim out."""
    claims = {
        "iss": ACME_ISS,
        "sub": "alice",
        "aud": "orders",
        "azp": "app",
        "tier": "gold",
        "scope": "read write admin",
    }
    return by.token(
        {**claims, "iat": NOW, "exp": NOW + 600, **changes}, **(header or {})
    )


def other(by: Key = OTHER, typ: str = "at+jwt", **changes: Any) -> str:
    """An access token of an issuer without a declared audience; its type says that it is one."""
    return by.token(
        {
            "iss": OTHER_ISS,
            "sub": "alice",
            "client_id": "svc",
            "iat": NOW,
            "exp": NOW + 600,
            **changes,
        },
        typ=typ,
    )


def own(app: Any, name: str) -> str:
    return call(
        app, body=b"grant_type=client_credentials", authorization=basic(name, "s")
    ).json()["access_token"]


def exchange(
    app: Any, name: str, token: str, kind: str = ACCESS, proofs: str = "", **more: Any
) -> Answer:
    body = urlencode(
        {
            "grant_type": grant_type,
            "subject_token": token,
            "subject_token_type": kind,
            **more,
        },
        doseq=True,
    ).encode()
    return call(
        app,
        body=body,
        authorization=basic(name, "s"),
        **({"dpop": proofs} if proofs else {}),
    )


def refused(answer: Answer, why: str = "") -> None:
    assert (answer.status, answer.json()["error"]) == (400, "invalid_request"), (
        answer.body
    )
    assert why in answer.json()["error_description"]
    assert "eyJ" not in answer.body.decode()


def test_a_subject_has_at_most_255_characters(app: Any) -> None:
    assert exchange(app, "orders", acme(sub="s" * 255)).status == 200
    refused(exchange(app, "orders", acme(sub="s" * 256)), "1 to 255 characters")
    refused(exchange(app, "orders", acme(sub="")), "1 to 255 characters")


@pytest.mark.parametrize("kind", [ACCESS, JWT])
def test_the_new_token_says_whose_it_is_and_who_knows_them(app: Any, kind: str) -> None:
    answer = exchange(
        app,
        "orders",
        acme(org="org_1", groups=["admins"], email="a@b", cid="x"),
        kind,
        audience="https://stock.example",
    )
    assert answer.status == 200, answer.body
    assert (
        answer.json()["scope"],
        answer.json()["expires_in"],
        answer.json()["issued_token_type"],
    ) == ("read write", 600, ACCESS)
    claims = claims_of(answer.json()["access_token"])
    assert {
        name: claims[name]
        for name in claims
        if name not in {"exp", "nbf", "iat", "jti"}
    } == {
        "iss": ISSUER,
        "sub": "acme|alice",
        "sub_id": {"format": "iss_sub", "iss": ACME_ISS, "sub": "alice"},
        "aud": "https://stock.example",
        "clientId": "orders",
        "scope": "read write",
        "organization": "org1",
        "act": {"sub": "orders"},
    }, "and nothing else of what the other issuer says"


def test_the_same_name_at_two_issuers_is_two_subjects_here(app: Any) -> None:
    found = [
        claims_of(exchange(app, "all", token).json()["access_token"])
        for token in (acme(sub="org1user"), other(sub="org1user"))
    ]
    assert [item["sub"] for item in found] == ["acme|org1user", "other|org1user"]
    assert [item["sub_id"]["iss"] for item in found] == [ACME_ISS, OTHER_ISS]
    assert "organization" not in found[0], (
        "the person of that name here is somebody else"
    )


def test_it_stays_so_when_the_new_token_is_exchanged_again(app: Any) -> None:
    first = exchange(app, "orders", acme()).json()["access_token"]
    again = exchange(app, "all", first)
    claims = claims_of(again.json()["access_token"])
    assert (claims["sub"], claims["sub_id"]["sub"]) == ("acme|alice", "alice")
    assert claims["act"] == {"sub": "all", "act": {"sub": "orders"}}


def test_impersonation_leaves_out_who_acts_but_not_who_knows_them(app: Any) -> None:
    claims = claims_of(exchange(app, "mask", acme()).json()["access_token"])
    assert "act" not in claims
    assert claims["sub_id"]["iss"] == ACME_ISS


def test_scopes_are_those_that_the_token_has_and_the_client_may_have(app: Any) -> None:
    assert exchange(app, "orders", acme(scope="write admin")).json()["scope"] == "write"
    assert exchange(app, "orders", acme(scope="admin")).json()["scope"] == "default"
    assert exchange(app, "orders", acme(), scope="read").json()["scope"] == "read"
    assert (
        exchange(app, "orders", acme(), scope="admin").json()["error"]
        == "invalid_scope"
    )
    assert (
        exchange(app, "orders", acme(scope="write"), scope="read").json()["error"]
        == "invalid_scope"
    )
    # A token that says none is limited by the client alone.
    assert (
        exchange(app, "orders", acme(scope=...), scope="read").json()["scope"] == "read"
    )
    assert (
        exchange(app, "all", acme(scope=..., scp=["a b", 'x"y', "ok", 7])).json()[
            "scope"
        ]
        == "ok"
    )


def test_it_never_outlives_what_it_was_made_from(app: Any) -> None:
    assert exchange(app, "orders", acme(exp=NOW + 7)).json()["expires_in"] == 7
    assert exchange(app, "orders", acme(exp=NOW + 99_999)).json()["expires_in"] == 3600


def test_it_is_off_unless_the_client_s_settings_name_the_issuer(app: Any) -> None:
    refused(
        exchange(app, "none", acme()), "not a live token of this provider of the kind"
    )
    refused(exchange(app, "orders", other()), "nor of an issuer")
    assert exchange(app, "all", other()).status == 200
    assert (
        call(
            app,
            body=urlencode({"grant_type": grant_type}).encode(),
            authorization=basic("acting", "s"),
        ).status
        == 400
    )


def test_only_issuers_that_are_trusted_everywhere_count(app: Any) -> None:
    """A token of ours is good in every organization and environment."""
    for iss in ("https://tenant.example", "https://staging.example"):
        refused(exchange(app, "all", other(iss=iss)), "not a live token")


def test_nobody_speaks_for_this_provider(app: Any) -> None:
    refused(
        exchange(app, "all", other(iss=ISSUER, clientId="all", scope="a", jti="x")),
        "not a live token",
    )


FAULTY: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("an unknown issuer", {"iss": "https://unknown.example"}, "not a live token"),
    ("an issuer but for a slash", {"iss": ACME_ISS.rstrip("/")}, "not a live token"),
    ("no issuer", {"iss": ...}, "not a live token"),
    ("an issuer that is no text", {"iss": [ACME_ISS]}, "not a live token"),
    ("the key of somebody else, by the same name", {"by": STRANGER}, "signature"),
    ("another key of another kind", {"by": OTHER}, "alg"),
    ("an algorithm that is not accepted", {"header": {"alg": "RS512"}}, "alg"),
    ("no algorithm", {"header": {"alg": "none"}}, "alg"),
    ("a symmetric one", {"header": {"alg": "HS256"}}, "alg"),
    (
        "an ID token by its type",
        {"header": {"typ": "id_token+jwt"}},
        "not an access token",
    ),
    ("a logout token", {"header": {"typ": "logout+jwt"}}, "not an access token"),
    ("what must be understood", {"header": {"crit": ["x"], "x": 1}}, "malformed"),
    ("an expired one", {"exp": NOW - 1}, "expired"),
    ("one that expires now", {"exp": NOW}, "expired"),
    ("one without an end", {"exp": ...}, "not a live token"),
    ("one of tomorrow", {"nbf": NOW + 86_400}, "not valid yet"),
    ("one for another service", {"aud": "invoices"}, "aud"),
    ("one for nobody", {"aud": ...}, "aud"),
    ("one without a needed claim", {"tier": "iron"}, "claim"),
    ("an ID token by its hash", {"at_hash": "x"}, "not an access token"),
    ("an ID token by its nonce", {"nonce": "n", "scope": ...}, "not an access token"),
    ("an ID token by its mark", {"token_use": "id", "scope": "id_token"}, "token"),
    ("a refresh token", {"typ": "Refresh"}, "not an access token"),
    ("a security event", {"events": {}}, "not an access token"),
    ("one about nobody", {"sub": ...}, "sub must be"),
    ("one about everybody", {"sub": "x" * 256}, "sub must be"),
    ("one about a list", {"sub": ["alice"]}, "sub must be"),
    ("an organization that cannot be one", {"org": "a.b"}, "organization"),
    ("the name of a client here", {"sub": "client"}, "another person or client"),
    ("the name of a person here", {"sub": "taken"}, "another person or client"),
    ("one that is bound to a key", {"cnf": {"jkt": "x"}}, "bound to a key"),
    ("one that is bound to nothing known", {"cnf": {}}, "bound to a key"),
)


@pytest.mark.parametrize(
    ("what", "changes", "why"), FAULTY, ids=[item[0] for item in FAULTY]
)
@pytest.mark.parametrize("place", ["subject_token", "actor_token"])
def test_what_is_no_good_token_of_the_issuer_is_refused(
    app: Any, place: str, what: str, changes: dict[str, Any], why: str
) -> None:
    token = acme(**changes)
    if place == "subject_token":
        refused(exchange(app, "orders", token), why)
    else:
        refused(
            exchange(app, "orders", acme(), actor_token=token, actor_token_type=ACCESS),
            why,
        )


def test_an_id_token_that_looks_like_an_access_token(app: Any) -> None:
    """Nothing marks it. Without a declared audience only a token that says itself that it is an
    access token is exchanged.
    """
    bare = {"client_id": ..., "azp": "app", "aud": "app", "auth_time": NOW}
    for aud in ("app", ["app", "x"], "api"):
        refused(
            exchange(app, "all", other(typ="JWT", **{**bare, "aud": aud})),
            "declared without an audience",
        )
        assert exchange(app, "all", other(**{**bare, "aud": aud})).status == 200
    assert exchange(app, "all", acme(azp=..., scope=...)).status == 200, (
        "the audience of acme is declared"
    )
    for kind in (ID, "urn:ietf:params:oauth:token-type:saml2"):
        refused(exchange(app, "orders", acme(), kind))
    refused(
        exchange(app, "orders", acme(), requested_token_type=ID), "is about a person"
    )


def test_text_that_is_no_token(app: Any) -> None:
    head, payload, signature = acme().split(".")
    twice = (
        base64.urlsafe_b64encode(
            b'{"iss":"%s","iss":"%s"}' % (ACME_ISS.encode(), ACME_ISS.encode())
        )
        .rstrip(b"=")
        .decode()
    )
    deep = (
        base64.urlsafe_b64encode(b'{"a":' * 3000 + b"1" + b"}" * 3000)
        .rstrip(b"=")
        .decode()
    )
    texts = (
        "x",
        "..",
        f"{head}.{payload}",
        f"{head}.{payload}.",
        f"{head}.{payload}.{signature}A",
        f"{head}.{twice}.{signature}",
    )
    more = (
        f"{head}.{deep}.{signature}",
        "." * 9000,
        "é.é.é",
        f"{head}.{payload}.{'A' * 21_000}",
        f"{head}.{payload}={signature}..",
    )
    for text in (*texts, *more):
        refused(exchange(app, "orders", text))


def test_a_revoked_token_is_refused(app: Any, store: Store) -> None:
    token, twin = acme(jti="gone"), other(jti="gone")
    assert exchange(app, "all", token).status == 200
    Revocations(store.database).revoke("gone", NOW + 600, issuer=ACME_ISS)
    refused(exchange(app, "all", token), "revoked")
    assert exchange(app, "all", twin).status == 200, "another issuer's of the same id"
    refused(
        exchange(app, "all", acme(), actor_token=token, actor_token_type=ACCESS),
        "revoked",
    )


def test_a_token_that_is_bound_to_a_key_needs_the_proof(app: Any) -> None:
    mine = dpop_key()
    token = acme(cnf={"jkt": mine.thumbprint()})
    url = "https://idp.am.wso2.com:9095/oauth2/token"
    refused(exchange(app, "orders", token), "bound to a key")
    refused(
        exchange(
            app,
            "orders",
            token,
            proofs=proof(dpop_key("ES256", "two"), "POST", url, NOW, jti="1"),
        ),
        "bound to a key",
    )
    answer = exchange(
        app, "orders", token, proofs=proof(mine, "POST", url, NOW, jti="2")
    )
    assert answer.json()["token_type"] == "DPoP"
    assert claims_of(answer.json()["access_token"])["cnf"] == {"jkt": mine.thumbprint()}


def test_an_actor_of_another_issuer_is_named_with_it(app: Any) -> None:
    actor = other(sub="svc", client_id="svc")
    claims = claims_of(
        exchange(
            app, "all", own(app, "none"), actor_token=actor, actor_token_type=JWT
        ).json()["access_token"]
    )
    assert (claims["sub"], claims["act"]) == ("none", {"sub": "svc", "iss": OTHER_ISS})
    refused(
        exchange(
            app, "none", own(app, "none"), actor_token=actor, actor_token_type=ACCESS
        ),
        "not a live token",
    )
    refused(
        exchange(app, "orders", acme(), actor_token=actor, actor_token_type=ACCESS),
        "nor of an issuer",
    )


def test_who_acted_before_is_told_from_those_who_act_here(app: Any) -> None:
    token = acme(
        act={
            "sub": "orders",
            "secret": "x",
            "act": {"sub": "all", "iss": "https://else.example", "client_id": "c"},
        }
    )
    assert claims_of(exchange(app, "orders", token).json()["access_token"])["act"] == {
        "sub": "orders",
        "act": {
            "sub": "orders",
            "iss": ACME_ISS,
            "act": {"sub": "all", "iss": "https://else.example", "client_id": "c"},
        },
    }
    endless: dict[str, Any] = {"sub": "x"}
    for _ in range(12):
        endless = {"sub": "x", "act": endless}
    refused(exchange(app, "orders", acme(act=endless)), "At most 10 actors")


def test_may_act_means_those_whom_its_issuer_knows(app: Any) -> None:
    refused(exchange(app, "orders", acme(may_act={"sub": "orders"})), "may_act")
    assert (
        exchange(app, "orders", acme(may_act={"sub": "orders", "iss": ISSUER})).status
        == 200
    )
    actor = {"actor_token": other(sub="svc"), "actor_token_type": ACCESS}
    assert (
        exchange(
            app, "all", acme(may_act={"sub": "svc", "iss": OTHER_ISS}), **actor
        ).status
        == 200
    )
    refused(exchange(app, "all", acme(may_act={"sub": "svc"}), **actor), "may_act")
    assert exchange(app, "all", own(app, "foreign-actor"), **actor).status == 200
    refused(exchange(app, "all", own(app, "acting"), **actor), "may_act")


def test_issuers_and_keys_of_the_store_are_taken_up_when_they_change(
    tmp_path: Path,
) -> None:
    """What the control process writes is what counts; the worker fetches nothing."""
    store = Store.open(tmp_path / "kapi.db")
    kept = IssuerStore(store.database)
    settings = Settings(
        Path("/nowhere"),
        IdentitySettings(
            clients=(client("all", grants=BOTH, exchange_issuers=("*",)),),
            algorithms=(),
        ),
    )
    fetched: list[str] = []
    provider = provider_of(settings, store, lambda url, **_: fetched.append(url) or b"")
    app = build_identity_app(provider, Clock())

    def asked(by: Key) -> Answer:
        return exchange(
            app,
            "all",
            by.token(
                {
                    "iss": "https://late.example",
                    "sub": "a",
                    "scope": "s",
                    "iat": NOW,
                    "exp": NOW + 60,
                },
                typ="at+jwt",
            ),
        )

    def keep(*keys: Key, source: str = "") -> None:
        declared = (
            "https://late.example https://late.example/.well-known/openid-configuration  "
            f"{' '.join(ALGORITHMS)}"
        )
        jwks = json.dumps({"keys": [item.jwk() for item in keys]})
        kept.save_keys(StoredKeys("late", source or declared, jwks, "", "", NOW, NOW))

    def wanted() -> int:
        row = store.database.row(
            "SELECT version FROM changes WHERE topic = ?", (WANTED,)
        )
        return row[0] if row else 0

    refused(asked(ACME))
    kept.save(
        StoredIssuer(
            "late", json.dumps({"name": "late", "issuer": "https://late.example"}), NOW
        ),
        replace=False,
    )
    refused(asked(ACME), "not a live token")  # its keys are not there yet
    keep(ACME)
    assert asked(ACME).status == 200
    assert wanted() == 0
    refused(asked(NEW), "try again in a few seconds")
    refused(asked(NEW), "try again")
    assert wanted() == 1, "the control process was asked to look, once in a second"
    keep(NEW)
    assert asked(NEW).status == 200
    refused(asked(ACME), "no key of its issuer fits")
    keep(ACME, source="what was declared before")
    refused(asked(ACME), "not a live token")
    keep(ACME)
    kept.delete("late")
    refused(asked(ACME), "not a live token")
    assert fetched == []
