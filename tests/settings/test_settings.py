"""Settings: who wins, what is refused, and that no secret is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from client_keys import certificate
from kapi.apis.ai_providers import with_own
from kapi.errors import SettingsError
from kapi.identity.settings import read_settings
from kapi.settings import WELL_KNOWN_CLIENT_ID, Settings, from_json_value, to_json_value
from kapi.settings.start_checks import check_non_production, check_testing

HOME = {"HOME": "/home/somebody"}


def messages(error: pytest.ExceptionInfo[SettingsError]) -> str:
    return "\n".join(f"{item.message} {item.hint}" for item in error.value.diagnostics)


def test_flag_beats_variable_beats_file_beats_default(tmp_path: Path) -> None:
    (tmp_path / "kapi.toml").write_text(
        "[gateway]\nport = 1001\ndrain_seconds = 1\n[identity]\nworkers = 2\n"
    )
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    settings = read_settings(
        {"gateway.port": 1003},
        HOME
        | {
            "KAPI_GATEWAY__PORT": "1002",
            "KAPI_IDENTITY__WORKERS": "3",
            "KAPI_LIMITS__AHEAD": "0.25",
        },
        below,
    )
    assert settings.limits.ahead == 0.25
    assert (
        settings.gateway.port,
        settings.identity.workers,
        settings.gateway.drain_seconds,
    ) == (
        1003,
        3,
        1,
    )
    assert settings.sources == {
        "gateway.port": "--port",
        "identity.workers": "KAPI_IDENTITY__WORKERS",
        "limits.ahead": "KAPI_LIMITS__AHEAD",
        "gateway.drain_seconds": "kapi.toml",
    }
    assert settings.data_dir == Path("/home/somebody/.local/share/kapi")


def test_every_mistake_at_once_with_a_suggestion(tmp_path: Path) -> None:
    (tmp_path / "kapi.toml").write_text(
        '[gateway]\nprot = 1\nport = "x"\nlisten = "nowhere"\n[gateway.hosts]\n'
        'b = "not an address"\n'
        '[[identity.clients]]\nid = ""\nsecrte = "s"\ngrants = ["magic"]\n[other]\nx = 1\n'
    )
    with pytest.raises(SettingsError) as error:
        read_settings({}, HOME, tmp_path)
    text = messages(error)
    for part in (
        "gateway.prot",
        "Did you mean gateway.port",
        "gateway.port",
        "gateway.listen",
        "gateway.hosts.b",
        "secrte",
        "magic",
        "other",
    ):
        assert part in text


@pytest.mark.parametrize("content", ["[", "\ufeffa", 'a = "\\uD800"'])
def test_broken_toml_is_explained(tmp_path: Path, content: str) -> None:
    (tmp_path / "kapi.toml").write_text(content)
    with pytest.raises(SettingsError):
        read_settings({}, HOME, tmp_path)


def test_ai_providers_are_read_and_their_mistakes_told(tmp_path: Path) -> None:
    one = '[[gateway.ai_providers]]\nname = "mine"\napi_version = "v2"\n'
    (tmp_path / "kapi.toml").write_text(
        one + 'total_tokens = ["$.usage.all", "header:x_total"]\n'
    )
    settings = read_settings({}, HOME, tmp_path)
    known = with_own(settings.gateway.ai_providers)
    assert known["mine", "v2"].prompt_tokens == ("usage.prompt_tokens",)
    assert known["mine", "v2"].total_tokens == ("usage.all", "header:x_total")
    assert ("OpenAI", "v1") in known
    assert from_json_value(to_json_value(settings)) == settings
    (tmp_path / "kapi.toml").write_text(
        one * 2
        + 'prompt_tokens = ["a b", "header:"]\ncompletion_tokens = ['
        + '"a.b",' * 11
        + "]\n"
    )
    with pytest.raises(SettingsError) as error:
        read_settings({}, HOME, tmp_path)
    for part in (
        "mine v2 occurs twice",
        "'a b' is not a place",
        "'header:' is not a place",
        "more than 10 places",
    ):
        assert part in messages(error)


def test_a_secret_file_is_relative_to_the_settings_and_never_shown(
    tmp_path: Path,
) -> None:
    (tmp_path / "ci.secret").write_text("very-secret\n")
    (tmp_path / "kapi.toml").write_text(
        '[[identity.clients]]\nid = "ci"\nsecret_file = "ci.secret"\nscopes = ["a"]\n'
    )
    settings = read_settings({}, HOME, Path("/"), tmp_path / "kapi.toml")
    assert settings.identity.clients[0].secret == "very-secret"
    assert "very-secret" not in repr(settings)
    assert from_json_value(to_json_value(settings)) == settings


MISTAKEN = """# first line
data_dir = 7
[gateway]
port = 99999
listen = "here"  # [not] a table
hosts = {
  a = "nowhere",
}
[identity]
key_id = '''
[apis]
'''
[[identity.clients]]
id = "a"
secret = "s"
[[identity.clients]]
id = "b"
secrte = "s"
[[identity.clients]]
id = "c"
secret = "s"
[identity.clients.claims]
"iss" = "x"
[apis]
fetch_timeout = "soon"
colour = 1
"""


def test_every_mistake_of_the_file_has_its_line(tmp_path: Path) -> None:
    (tmp_path / "kapi.toml").write_text(
        MISTAKEN.replace(
            'hosts = {\n  a = "nowhere",\n}', 'hosts = { a = "nowhere" }\n\n'
        )
    )
    with pytest.raises(SettingsError) as error:
        read_settings(
            {"identity.workers": 0},
            {"KAPI_GATEWAY__CONCURRENCY": "x", **HOME},
            tmp_path,
        )
    places = {
        (item.message.partition(":")[0], item.line, item.source)
        for item in error.value.diagnostics
    }
    assert places >= {
        ("data_dir", 2, "kapi.toml"),
        ("gateway.port", 4, "kapi.toml"),
        ("gateway.listen", 5, "kapi.toml"),
        ("gateway.hosts.a", 6, "kapi.toml"),
        ("identity.key_id", 10, "kapi.toml"),
        ("identity.clients[1].secrte", 18, "kapi.toml"),
        ("apis.fetch_timeout", 25, "kapi.toml"),
        ("apis.colour", 26, "kapi.toml"),
        ("gateway.concurrency", 0, ""),
        ("identity.workers", 0, ""),
    }
    (tmp_path / "kapi.toml").write_text("[gateway]\nport = = 1\n")
    with pytest.raises(SettingsError) as error:
        read_settings({}, HOME, tmp_path)
    assert [(item.line, item.source) for item in error.value.diagnostics] == [
        (2, "kapi.toml")
    ]
    (tmp_path / "kapi.toml").write_text(
        MISTAKEN[
            MISTAKEN.index('[[identity.clients]]\nid = "c"') : MISTAKEN.index(
                "[apis]\nfetch"
            )
        ]
    )
    with pytest.raises(SettingsError) as error:
        read_settings({}, HOME, tmp_path)
    assert [item.line for item in error.value.diagnostics] == [5]


def test_the_well_known_client_stays_on_loopback(tmp_path: Path) -> None:
    with pytest.raises(SettingsError):
        check_non_production(
            read_settings({"gateway.listen": "0.0.0.0"}, HOME, tmp_path)
        )
    check_non_production(
        read_settings(
            {"gateway.listen": "0.0.0.0", "identity.non_production_on_network": True},
            HOME,
            tmp_path,
        )
    )
    check_non_production(Settings(tmp_path))
    (tmp_path / "kapi.toml").write_text(
        "[identity]\nwell_known_client = false\nwell_known_users = false\n"
    )
    check_non_production(read_settings({"gateway.listen": "0.0.0.0"}, HOME, tmp_path))


def test_the_well_known_client_and_users_are_kept_beside_others_until_they_are_switched_off(
    tmp_path: Path,
) -> None:
    own = (
        '[[identity.clients]]\nid = "ci"\nsecret = "s"\n[[identity.users]]\n'
        'username = "org1user"\npassword = "p"\n'
    )
    (tmp_path / "kapi.toml").write_text(own)
    identity = read_settings({}, HOME, tmp_path).identity
    assert [client.id for client in identity.clients] == ["ci", WELL_KNOWN_CLIENT_ID]
    assert [user.username for user in identity.users] == [
        "org1user",
        "org2user",
        "multiorguser",
        "superAdmin",
    ]
    assert identity.users[0].password == "p"
    (tmp_path / "kapi.toml").write_text(
        "[identity]\nwell_known_client = false\nwell_known_users = false\n" + own
    )
    identity = read_settings({}, HOME, tmp_path).identity
    assert [client.id for client in identity.clients] == ["ci"]
    assert [user.username for user in identity.users] == ["org1user"]
    (tmp_path / "kapi.toml").write_text("")
    off = {"KAPI_IDENTITY__WELL_KNOWN_USERS": "false", **HOME}
    assert read_settings({}, off, tmp_path).identity.users == ()


@pytest.mark.parametrize(
    ("text", "fine"),
    [
        ('id = "a"\nsecret = "s"', True),
        ('id = "a"', False),
        ('id = "a"\ntoken_endpoint_auth_method = "none"', True),
        ('id = "a"\nsecret = "s"\ntoken_endpoint_auth_method = "none"', False),
    ],
)
def test_a_client_has_a_secret_or_is_public(
    tmp_path: Path, text: str, fine: bool
) -> None:
    (tmp_path / "kapi.toml").write_text(f"[[identity.clients]]\n{text}\n")
    if fine:
        assert read_settings({}, HOME, tmp_path).identity.clients[0].id == "a"
    else:
        with pytest.raises(SettingsError):
            read_settings({}, HOME, tmp_path)


@pytest.mark.parametrize(
    ("text", "fine"),
    [
        ("redis://127.0.0.1", True),
        ("redis://:word@redis.example:6379/0", True),
        ("rediss://kapi:a%2Fb@[::1]:6379/0?ssl_ca_certs=/etc/ssl/redis.pem", True),
        ("redis://kapi:se/cret@redis.example:6379/0", False),
        ("redis://kapi:se#cret@redis.example:6379/0", False),
        ("redis://:se?cret@redis.example:6379/0", False),
        ("redis://redis.example:port", False),
        ("redis://", False),
    ],
)
def test_the_url_of_redis_shows_no_part_of_a_password(
    tmp_path: Path, text: str, *, fine: bool
) -> None:
    variables = {"KAPI_LIMITS__REDIS": text, **HOME}
    if fine:
        assert read_settings({}, variables, tmp_path).limits.redis == text
        return
    with pytest.raises(SettingsError) as error:
        read_settings({}, variables, tmp_path)
    assert "percent-encode" in messages(error)
    assert "cret" not in messages(error)


def test_interceptors_of_the_settings_are_checked(tmp_path: Path) -> None:
    config = tmp_path / "kapi.toml"
    config.write_text(
        '[[gateway.interceptors]]\nurl = "http://interceptor:9081"\nflows = ["request"]\n'
        '[[gateway.interceptors]]\nurl = "https://[::1]:8443/base"\ntls_secret_name = "a"\n'
        'tls_secret_key = "b"\n'
    )
    settings = read_settings({}, {}, tmp_path, config)
    assert [
        (item.flows, item.headers, item.body) for item in settings.gateway.interceptors
    ] == [
        (("request",), True, False),
        (("request", "response"), True, False),
    ]
    config.write_text(
        '[[gateway.interceptors]]\nurl = "ftp://interceptor"\nflows = []\n'
        '[[gateway.interceptors]]\nurl = "http://a"\ntls_secret_name = "a"\n'
        '[[gateway.interceptors]]\nurl = "http://user@host"\n'
    )
    with pytest.raises(SettingsError) as error:
        read_settings({}, {}, tmp_path, config)
    names = [item.pointer for item in error.value.diagnostics]
    assert names == [
        "gateway.interceptors[0].url",
        "gateway.interceptors[0].flows",
        "gateway.interceptors[1]",
        "gateway.interceptors[2].url",
    ]


def test_authorities_of_clients_are_certificates(tmp_path: Path) -> None:
    (tmp_path / "kapi.toml").write_text('[identity]\nclient_ca_file = "ca.pem"\n')
    for content in (
        None,
        "no certificate",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ):
        if content is not None:
            (tmp_path / "ca.pem").write_text(content)
        with pytest.raises(SettingsError) as error:
            read_settings({}, HOME, Path("/"), tmp_path / "kapi.toml")
        assert "certificates in PEM form" in messages(error)
    (tmp_path / "ca.pem").write_bytes(certificate("authority", authority=True).pem)
    settings = read_settings({}, HOME, Path("/"), tmp_path / "kapi.toml")
    assert settings.identity.client_ca_file == str(tmp_path / "ca.pem")


def test_the_powers_of_a_test_are_for_loopback_and_one_worker(tmp_path: Path) -> None:
    given = {
        "gateway.listen": "0.0.0.0",
        "identity.testing": True,
        "identity.workers": 2,
    }
    with pytest.raises(SettingsError) as caught:
        check_testing(read_settings(given, HOME, tmp_path))
    assert len(caught.value.diagnostics) == 2
    check_testing(read_settings({"identity.testing": True}, HOME, tmp_path))
    check_testing(read_settings({"gateway.listen": "0.0.0.0"}, HOME, tmp_path))
