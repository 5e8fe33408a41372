"""Access tokens by setting: formats, algorithms, claims by rule; and the guide's token, which no
default changes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from idp import basic, call, identity_app, provider_of
from kapi.errors import SettingsError
from kapi.identity.minting.claim_rules import token_claims
from kapi.identity.minting.minter import AccessToken
from kapi.identity.minting.opaque import forget_opaque, opaque_claims
from kapi.identity.settings import read_settings
from kapi.settings import ClientSettings, IdentitySettings, Settings, UserSettings
from kapi.store import Store
from token_parts import header_and_claims

NOW = 1_800_000_000
RULES = {
    "tier": "gold",
    "limit": 7,
    "region": "${request.region}",
    "caller": "${client.name} <${client.id}>",
    "granted": "${scope}",
    "whose": "${subject}",
    "nested": {"list": ["${request.region}", "fixed"], "gone": "${request.absent}"},
    "absent": "${user.email}",
}
CLIENTS = (
    ClientSettings(id="plain", secret="s"),
    ClientSettings(
        id="rfc9068",
        secret="s",
        access_token_format="at+jwt",
        audience=("https://a.example",),
    ),
    ClientSettings(
        id="bare9068",
        secret="s",
        access_token_format="at+jwt",
        access_token_signing_alg="ES256",
    ),
    ClientSettings(id="opaque", secret="s", access_token_format="opaque"),
    ClientSettings(
        id="rules",
        secret="s",
        name="Rules",
        claims=RULES,
        organization="org1",
        groups=("machines",),
        token_lifetime=60,
        audience=("a", "b"),
    ),
    *(
        ClientSettings(id=name, secret="s", access_token_signing_alg=name)
        for name in ("PS256", "ES384", "EdDSA")
    ),
)
SETTINGS = Settings(Path("/nowhere"), IdentitySettings(clients=CLIENTS, algorithms=()))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store.open(tmp_path_factory.mktemp("tokens") / "kapi.db")


@pytest.fixture(scope="module")
def app(store: Store) -> Any:
    return identity_app(SETTINGS, store, lambda: NOW)


def token(app: Any, client: str, **parameters: str) -> str:
    body = urlencode({"grant_type": "client_credentials", **parameters}).encode()
    answer = call(app, body=body, authorization=basic(client, "s"))
    assert answer.status == 200, answer.body
    assert answer.json()["token_type"] == "Bearer"
    return answer.json()["access_token"]


def test_the_token_of_the_guide_stays_as_it_is(app: Any) -> None:
    header, claims = header_and_claims(token(app, "plain", region="eu"))
    assert list(header.items()) == [
        ("alg", "RS256"),
        ("typ", "JWT"),
        ("kid", "gateway_certificate_alias"),
    ]
    assert list(claims) == [
        "iss",
        "sub",
        "exp",
        "nbf",
        "iat",
        "jti",
        "clientId",
        "scope",
    ]


def test_a_token_of_rfc_9068_has_its_seven_claims(app: Any) -> None:
    header, claims = header_and_claims(token(app, "rfc9068"))
    assert header["typ"] == "at+jwt"
    assert {"iss", "exp", "aud", "sub", "client_id", "iat", "jti"} <= set(claims)
    assert (claims["aud"], claims["client_id"], claims["sub"]) == (
        "https://a.example",
        "rfc9068",
        "rfc9068",
    )
    _, bare = header_and_claims(token(app, "bare9068"))
    assert bare["aud"] == bare["iss"]


@pytest.mark.parametrize(
    ("client", "algorithm"),
    [("bare9068", "ES256"), ("PS256", "PS256"), ("ES384", "ES384"), ("EdDSA", "EdDSA")],
)
def test_a_client_has_its_own_algorithm(app: Any, client: str, algorithm: str) -> None:
    keys = KeySet.import_key_set(call(app, "GET", "/oauth2/jwks").json())
    assert (
        jwt.decode(token(app, client), keys, algorithms=[algorithm]).claims["clientId"]
        == client
    )


def test_an_opaque_token_says_nothing_and_is_remembered_by_its_digest(
    app: Any, store: Store
) -> None:
    text = token(app, "opaque", scope="a b")
    assert "." not in text
    assert len(text) == 43
    records = provider_of(SETTINGS, store).records
    found = opaque_claims(records, text, NOW)
    assert found is not None
    assert (found["sub"], found["scope"], found["exp"]) == ("opaque", "a b", NOW + 3600)
    assert opaque_claims(records, text, NOW + 3600) is None
    assert opaque_claims(records, text + "x", NOW) is None
    assert text not in str(store.database.rows("SELECT * FROM records"))
    forget_opaque(records, text)
    assert opaque_claims(records, text, NOW) is None


def test_rules_add_claims(app: Any) -> None:
    _, claims = header_and_claims(token(app, "rules", region="eu", scope="x"))
    assert claims["exp"] == NOW + 60
    assert claims["aud"] == ["a", "b"]
    assert {name: claims[name] for name in list(claims)[9:]} == {
        "organization": "org1",
        "groups": ["machines"],
        "tier": "gold",
        "limit": 7,
        "region": "eu",
        "caller": "Rules <rules>",
        "granted": "x",
        "whose": "rules",
        "nested": {"list": ["eu", "fixed"]},
    }
    assert "region" not in header_and_claims(token(app, "rules"))[1]


def test_rules_of_a_person(store: Store) -> None:
    person = UserSettings(
        "ada",
        "x",
        ("org1", "org2"),
        groups=("staff",),
        claims={"email": "a@b", "address": {"country": "UK"}},
        token_claims={"grade": 3, "all": "person"},
    )
    settings = Settings(
        Path("/nowhere"),
        IdentitySettings(
            clients=(
                ClientSettings(
                    id="c",
                    secret="s",
                    claims={
                        "mail": "${user.email}",
                        "land": "${user.address.country}",
                        "orgs": "${user.organizations}",
                        "all": "client",
                        "none": "${user.address.street}",
                    },
                ),
            ),
            users=(person,),
        ),
    )
    provider = provider_of(settings, store)
    client = provider.clients.get("c")
    assert client is not None
    access = AccessToken("ada", "c", "", 60, claims={"organization": "org1"})
    wanted = {
        "groups": ["staff"],
        "mail": "a@b",
        "land": "UK",
        "orgs": ["org1", "org2"],
        "all": "person",
        "provider": 1,
        "grade": 3,
        "organization": "org1",
    }
    assert (
        token_claims(
            {"all": "provider", "provider": 1}, client, provider.users, access, {}
        )
        == wanted
    )
    pairwise = AccessToken("x7", "c", "", 60, user="ada")
    assert token_claims({}, client, provider.users, pairwise, {})["mail"] == "a@b"
    assert token_claims(
        {"sub": "x", "exp": 1},
        client,
        provider.users,
        AccessToken("stranger", "c", "", 60),
        {},
    ) == {"all": "client"}


REFUSED = {
    'sub = "x"': "the provider's own",
    "exp = 99": "the provider's own",
    'clientId = "x"': "the provider's own",
    'cnf = {jkt = "x"}': "the provider's own",
    'x = "${secret}"': "is unknown",
    'x = ["${client.secret}"]': "is unknown",
    'x = "${request.client_secret}"': "is a secret",
    'x = {y = "${request.password}"}': "is a secret",
    'organization = "${request.organization}"': "a caller cannot choose",
    'groups = ["${request.group}"]': "a caller cannot choose",
}


@pytest.mark.parametrize("rule", REFUSED)
def test_a_rule_that_would_lie_is_refused_at_start(rule: str, tmp_path: Path) -> None:
    for table in (
        "[identity.claims]\n",
        '[[identity.clients]]\nid = "a"\nsecret = "s"\n[identity.clients.claims]\n',
    ):
        (tmp_path / "kapi.toml").write_text(f"{table}{rule}\n")
        with pytest.raises(SettingsError) as refused:
            read_settings({}, {}, tmp_path)
        assert REFUSED[rule] in refused.value.diagnostics[0].message


def test_good_rules_are_taken(tmp_path: Path) -> None:
    (tmp_path / "kapi.toml").write_text(
        '[identity.claims]\norganization = "org1"\ntier = "${user.tier} of ${client.id}"\n'
    )
    assert read_settings({}, {}, tmp_path).identity.claims == {
        "organization": "org1",
        "tier": "${user.tier} of ${client.id}",
    }
