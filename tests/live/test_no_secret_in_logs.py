"""After every flow that has a secret in it, with the access log on and with faults on the way, none
is in any log.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from urllib.parse import urlencode

from flows import CALLBACK, code_for, redeem, refresh, token_request
from harness import Platform, free_port
from kapi.settings import WELL_KNOWN_CLIENT_ID as CLIENT
from leaks import leaks, leaks_in
from person import Person, Pkce, authorize_path, over_https


def test_leaks_are_found() -> None:
    secret = "gJ3Zq0c7bVxw1dJY4mQh8kLrT2sPn5uXa9EoCfWi6yB"
    assert len(secret) == 43
    for text in (
        f"code={secret}&x",
        f'"{secret}"',
        "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.abc",
        "Authorization: Basic QWxhZGRpbjpvcGVu",
        "pass%20word",
        "cGFzcyB3b3Jk",
    ):
        assert leaks(f"a line with {text} in it", ["pass word"]), text
    assert (
        leaks(
            "0123456789abcdef" * 4 + " envoy_extensions_filters_http_jwt_authn_v3_Jwt x"
        )
        == []
    )


def test_no_secret_stands_in_a_log(tmp_path: Path) -> None:
    platform = Platform(
        free_port(), tmp_path / "data", environment={"KAPI_GATEWAY__ACCESS_LOG": "true"}
    )
    platform.start()
    try:
        person, pkce = Person(over_https(platform.port)), Pkce()
        page = person.open(
            authorize_path(
                CLIENT,
                CALLBACK,
                pkce,
                scope="openid",
                state="a state nobody may read",
                nonce="a nonce likewise",
            )
        )
        person.submit(
            page, username="org1user", password="a wrong password", organization="org1"
        )
        code = code_for(
            person, pkce=pkce, scope="openid", state="a state nobody may read"
        )
        tokens = redeem(person, code, pkce).json()
        fresh = refresh(person, tokens["refresh_token"]).json()
        for broken in (
            redeem(person, code, pkce),
            refresh(person, tokens["refresh_token"]),
            token_request(person, "Basic !!!", grant_type="x"),
        ):
            assert broken.status in {400, 401}
        ask = Person(person.send).ask
        ask("GET", "/oauth2/userinfo", authorization=f"Bearer {fresh['access_token']}")
        ask("GET", f"/oauth2/userinfo?access_token={fresh['access_token']}")
        ask(
            "POST",
            "/oauth2/introspect",
            urlencode({"token": fresh["refresh_token"]}).encode(),
            authorization="Basic x",
        )
        person.open(
            "/oauth2/logout?" + urlencode({"id_token_hint": tokens["id_token"]})
        )
        platform.api("/api/deployer/1.2.0/apis", token=fresh["access_token"])
        platform.api("/api/deployer/1.2.0/apis", token="x" + fresh["access_token"])
        # A worker that dies in the middle must not tell either.
        os.kill(platform.pid("identity-0"), signal.SIGKILL)
        refresh(person, fresh["refresh_token"])
        platform.secrets += [
            "a state nobody may read",
            "a nonce likewise",
            "a wrong password",
            pkce.verifier,
            "org1user:org1user",
        ]
    finally:
        platform.stop()
    log = (platform.data_dir / "logs" / "access.log").read_text()
    assert "/oauth2/authorize" in log
    assert leaks_in(platform.data_dir / "logs", platform.secrets) == {}
