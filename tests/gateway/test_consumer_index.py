"""Who may call what, as records for the admission filter."""

from __future__ import annotations

from pathlib import Path

import pytest

from kapi.errors import Problem, SettingsError
from kapi.gateway.applications import Applications, pattern_fault
from kapi.gateway.consumer_index import consumer_index, matches
from kapi.gateway.issuers import TrustedIssuer
from kapi.identity.settings import read_settings
from kapi.settings import (
    ApplicationSettings,
    Settings,
    SubscriptionsSettings,
    TierSettings,
)
from kapi.settings.subscriptions import KeyLimitSettings
from kapi.store import StoredApi
from kapi.store.engine.database import Database
from kapi.store.gateway.applications import (
    Application,
    ApplicationStore,
    ConsumerKey,
    Subscription,
    Taken,
)

GOLD = TierSettings("Gold", 100, "Hour")
BURSTY = TierSettings("Bursty", 10, "Day", burst=2, stop_on_quota_reach=False)


def api(name: str, version: str, organization: str = "default") -> StoredApi:
    return StoredApi(
        f"{name}-{version}",
        organization,
        name,
        version,
        "",
        f"/{name}/{version}",
        None,
        1,
        1,
    )


def application(*subscriptions: Subscription, tier: str = "") -> Application:
    return Application(
        "app",
        "default",
        "shop",
        tier,
        keys=(ConsumerKey("key", "PRODUCTION", "dev"),),
        subscriptions=subscriptions,
    )


def consumer(item: Application, *apis: StoredApi) -> str:
    return consumer_index(
        [item], lambda: apis, (), SubscriptionsSettings(tiers=(GOLD, BURSTY))
    )["k\tdefault\tkey"]


def test_a_consumer_has_a_line_for_each_api_it_may_call() -> None:
    item = application(
        Subscription("1", "pets", r"1\..*"),
        Subscription("2", "orders", "2.0.0", "BLOCKED", "Bursty"),
        tier="Gold",
    )
    apis = (
        api("pets", "1.0.0"),
        api("pets", "1.9.9"),
        api("pets", "2.0.0"),
        api("orders", "2.0.0"),
        api("pets", "1.0.0", "other"),
    )
    assert consumer(item, *apis).split("\n") == [
        "app\tdefault\tPRODUCTION\tdev\tr\t100\t3600\ts",
        "orders-2.0.0\tBLOCKED\tr\t10\t86400\tc\tr\t2\t1\ts",
        "pets-1.0.0\tACTIVE",
        "pets-1.9.9\tACTIVE",
    ]


def test_a_tier_may_limit_tokens_with_or_without_requests() -> None:
    tokens = TierSettings(
        "Tokens",
        prompt_tokens=10,
        completion_tokens=20,
        total_tokens=25,
        token_unit="Hour",
    )
    both = TierSettings("Both", 5, total_tokens=7, stop_on_quota_reach=False)
    settings = SubscriptionsSettings(tiers=(tokens, both))
    item = application(Subscription("1", "pets", ".*", tier="Tokens"), tier="Both")
    assert consumer_index([item], lambda: [api("pets", "1.0.0")], (), settings)[
        "k\tdefault\tkey"
    ].split("\n") == [
        "app\tdefault\tPRODUCTION\tdev\tr\t5\t60\tc\tt\t7\t60\tc",
        "pets-1.0.0\tACTIVE\tp\t10\t3600\ts\tc\t20\t3600\ts\tt\t25\t3600\ts",
    ]


def test_a_subscription_to_the_version_itself_holds_before_a_pattern() -> None:
    patterns = (
        Subscription("1", "pets", ".*"),
        Subscription("2", "pets", "1.0.0", "BLOCKED"),
        Subscription("3", "pets", "1.*", "ON_HOLD"),
    )
    assert consumer(
        application(*patterns), api("pets", "1.0.0"), api("pets", "1.1.0")
    ).split("\n")[1:] == [
        "pets-1.0.0\tBLOCKED",
        "pets-1.1.0\tACTIVE",
    ]


def test_deployed_apis_are_not_looked_at_without_subscriptions() -> None:
    def asked() -> tuple[StoredApi, ...]:
        raise AssertionError

    assert (
        consumer_index([application()], asked, (), SubscriptionsSettings())[
            "k\tdefault\tkey"
        ]
        == "app\tdefault\tPRODUCTION\tdev"
    )


def test_issuers_tiers_and_limits_by_key_have_records_too() -> None:
    limits = (
        KeyLimitSettings("user key", 4, "bob&x"),
        KeyLimitSettings("ip", 9, unit="Second", organization="org1"),
    )
    settings = SubscriptionsSettings(
        default_tier="Gold", tiers=(GOLD,), key_limits=limits
    )
    issuers = (
        TrustedIssuer("a", "https://a", "{}", consumer_key_claim="azp"),
        TrustedIssuer("b", "https://b", "{}", consumer_key_claim=""),
        TrustedIssuer("a@2", "https://a.second", "{}", (), "azp", same_as="https://a"),
    )
    assert consumer_index([], tuple, issuers, settings) == {
        "i\thttps://a": "azp",
        "i\thttps://b": "clientId\tclient_id\tazp\tcid\tappid",
        "i\thttps://a.second": "azp\nhttps://a",
        "t": "r\t100\t3600\ts",
        "x\t*\tuser%20key\tbob%26x": "r\t4\t60\ts",
        "x\torg1\tip\t*": "r\t9\t1\ts",
    }


@pytest.mark.parametrize(
    ("pattern", "version", "expected"),
    [
        ("1.0.0", "1.0.0", True),
        ("1.0", "1.0.0", False),
        (r"1\..*", "1.2.3", True),
        (r"1\..*", "11.2", False),
        ("v1|v2", "v2", True),
        ("+", "+", True),
    ],
)
def test_a_pattern_is_about_the_whole_version(
    pattern: str, version: str, expected: bool
) -> None:
    assert matches(pattern, version) is expected


def test_a_pattern_that_is_none_is_refused_with_a_reason() -> None:
    assert pattern_fault(r"1\..*") == ""
    assert "RE2" in pattern_fault("(")
    assert "128" in pattern_fault("a" * 129)


def test_settings_that_do_not_fit_together_are_refused_all_at_once(
    tmp_path: Path,
) -> None:
    (tmp_path / "kapi.toml").write_text("""
[subscriptions]
default_tier = "None"
[[subscriptions.tiers]]
name = "Gold"
requests = 1
burst = 1
burst_unit = "Minute"
[[subscriptions.tiers]]
name = "Empty"
[[subscriptions.applications]]
name = "a"
tier = "Silver"
keys = [{consumer_key = "k"}]
subscriptions = [{api = "x", version = "("}]
[[subscriptions.applications]]
name = "a"
keys = [{consumer_key = "k"}]
[[subscriptions.applications]]
name = "a"
id = "b c"
[[subscriptions.applications]]
name = "a"
id = "b c"
[[subscriptions.key_limits]]
key = "user"
requests = 1
[[subscriptions.key_limits]]
key = "user"
requests = 2
""")
    with pytest.raises(SettingsError) as raised:
        read_settings({}, {"HOME": str(tmp_path)}, tmp_path)
    assert [item.pointer for item in raised.value.diagnostics] == [
        "subscriptions.default_tier",
        "subscriptions.tiers[0].burst_unit",
        "subscriptions.tiers[1]",
        "subscriptions.applications[0]",
        "subscriptions.applications[0].subscriptions[0].version",
        "subscriptions.applications[1]",
        "subscriptions.applications[1].keys",
        "subscriptions.applications[2].id",
        "subscriptions.applications[3].id",
        "subscriptions.applications[3].id",
        "subscriptions.key_limits[1]",
    ]


def shops(tmp_path: Path, *fixed: ApplicationSettings) -> Applications:
    settings = Settings(
        tmp_path, subscriptions=SubscriptionsSettings(applications=fixed)
    )
    return Applications(
        settings, ApplicationStore(Database.open(tmp_path / "kapi.db")), lambda: 5.0
    )


def test_applications_may_share_a_name_across_organizations_or_with_ids_of_their_own(
    tmp_path: Path,
) -> None:
    known = shops(
        tmp_path,
        ApplicationSettings("fixed"),
        ApplicationSettings("fixed", id="fixed-2", tier=""),
    )
    first, other = known.create("default", "shop"), known.create("org1", "shop")
    north = known.create("default", "shop", own_id="shop-north")
    assert len({first.id, other.id, north.id}) == 3
    assert (known.get("org1", "shop"), known.get("default", "shop-north")) == (
        other,
        north,
    )
    known.add_key("default", "shop-north", ConsumerKey("north", "PRODUCTION"))
    assert known.get("default", first.id).keys == ()
    for name in ("shop", "fixed"):
        with pytest.raises(Problem, match=f"2 applications are named {name}") as raised:
            known.get("default", name)
        assert raised.value.status == 409
    taken = [
        {"name": "shop"},
        {"name": "x", "own_id": "shop-north"},
        {"name": "x", "own_id": "fixed-2"},
        {"name": "fixed"},
    ]
    for fields in (
        *taken,
        {"name": "x", "own_id": "a b"},
        {"name": "x", "own_id": "\t"},
    ):
        for organization in ("default", *(["org1"] if "own_id" in fields else [])):
            with pytest.raises(Problem):
                known.create(organization, **fields)


def test_an_api_key_that_names_several_applications_counts_as_none_of_them() -> None:
    def named(own_id: str, name: str, organization: str = "default") -> Application:
        return Application(own_id, organization, name)

    items = [
        named("a", "shop"),
        named("b", "shop"),
        named("c", "shop", "org1"),
        named("d", "a"),
        named("e", "one"),
    ]
    records = consumer_index(items, tuple, (), SubscriptionsSettings())
    found = {
        key.removeprefix("a\t"): value.split("\t")[0]
        for key, value in records.items()
        if key.startswith("a\t")
    }
    assert found == {
        **{f"default\t{own}": own for own in "abde"},
        "org1\tc": "c",
        "org1\tshop": "c",
        "default\tone": "e",
    }


def test_applications_are_kept_when_their_names_may_be_shared(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "kapi.db")
    steps = [
        row[0]
        for row in database.rows("SELECT name FROM migrations")
        if "application_names" in row[0]
    ]
    store, item = (
        ApplicationStore(database),
        Application("app", "default", "shop", "Gold", 5),
    )
    store.create(item)
    store.add_key(item, ConsumerKey("key", "SANDBOX"))
    store.subscribe("app", Subscription("s", "pets", "1.0.0"))
    before = store.all()
    with database.transaction() as db:
        db.execute("DELETE FROM migrations WHERE name = ?", (steps[0],))
    database.close()
    database = Database.open(tmp_path / "kapi.db")
    store = ApplicationStore(database)
    assert store.all() == before
    store.remove("app")
    assert (
        database.rows("SELECT * FROM application_keys")
        == database.rows("SELECT * FROM subscriptions")
        == []
    )


def test_what_is_kept_comes_back(tmp_path: Path) -> None:
    from kapi.store.gateway.counters import Counter, Counters

    database = Database.open(tmp_path / "kapi.db")
    store, item = (
        ApplicationStore(database),
        Application("app", "default", "shop", "Gold", 5),
    )
    store.create(item)
    store.add_key(item, ConsumerKey("key", "SANDBOX"))
    store.subscribe("app", Subscription("s", "pets", "1.0.0"))
    for again in (
        lambda: store.create(item),
        lambda: store.add_key(item, ConsumerKey("key", "PRODUCTION")),
    ):
        with pytest.raises(Taken):
            again()
    assert store.all() == (
        Application(
            "app",
            "default",
            "shop",
            "Gold",
            5,
            (ConsumerKey("key", "SANDBOX"),),
            (Subscription("s", "pets", "1.0.0"),),
        ),
    )
    store.remove("app")
    assert store.all() == ()
    counters, first, second = (
        Counters(database),
        Counter("a", 3600, 1, 5),
        Counter("b", 86400, 1, 1),
    )
    counters.save([first, second], [])
    counters.save([Counter("a", 3600, 2, 1)], [second])
    assert counters.all() == (Counter("a", 3600, 2, 1),)
    database.close()
