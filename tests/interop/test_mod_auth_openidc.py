"""Debian's mod_auth_openidc in front of a page: signs in, refreshes, calls UserInfo, signs out;
also by back-channel.

And in front of an API: takes access tokens that introspection calls active.
"""

from __future__ import annotations

import http.client
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from proxy import proxy

from flows import allowed
from harness import Platform, free_port
from person import Page, Person, over_https
from waiting import until

IDP = "idp.am.wso2.com"


class Apache:
    """One server with the module on a free port, started and stopped by its own process."""

    def __init__(
        self, folder: Path, port: int, issuer: str, ca: bytes, proxy_port: int
    ) -> None:
        self.port = port
        site = folder / "site" / "protected"
        site.mkdir(parents=True)
        (folder / "ca.pem").write_bytes(ca)
        (folder / "site" / "api").mkdir()
        (folder / "site" / "api" / "index.html").write_text("an API")
        (site / "index.html").write_text("protected page")
        (folder / "site" / "bye.html").write_text("bye")
        (folder / "apache.conf").write_text(f"""
ServerRoot {folder}
ServerName 127.0.0.1
Listen 127.0.0.1:{port}
PidFile {folder}/pid
ErrorLog {folder}/error.log
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authn_core_module /usr/lib/apache2/modules/mod_authn_core.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule authz_user_module /usr/lib/apache2/modules/mod_authz_user.so
LoadModule headers_module /usr/lib/apache2/modules/mod_headers.so
LoadModule dir_module /usr/lib/apache2/modules/mod_dir.so
LoadModule auth_openidc_module /usr/lib/apache2/modules/mod_auth_openidc.so
User www-data
Group www-data
DocumentRoot {folder}/site
DirectoryIndex index.html
<Directory {folder}/site>
  Require all granted
</Directory>
OIDCProviderMetadataURL {issuer}/.well-known/openid-configuration
OIDCClientID apache
OIDCClientSecret apache-secret
OIDCRedirectURI http://127.0.0.1:{port}/protected/callback
OIDCCryptoPassphrase a-passphrase-for-tests
OIDCScope "openid profile email"
OIDCPKCEMethod S256
OIDCSSLValidateServer On
OIDCCABundlePath {folder}/ca.pem
OIDCOutgoingProxy 127.0.0.1:{proxy_port}
OIDCRemoteUserClaim sub
OIDCSessionType server-cache
OIDCUserInfoRefreshInterval 3600
OIDCRefreshAccessTokenBeforeExpiry 3590 logout_on_error
OIDCPassRefreshToken On
OIDCOAuthClientID apache
OIDCOAuthClientSecret apache-secret
OIDCOAuthIntrospectionEndpoint {issuer}/oauth2/introspect
OIDCOAuthIntrospectionEndpointAuth client_secret_basic
OIDCOAuthSSLValidateServer On
OIDCOAuthRemoteUserClaim sub
OIDCOAuthTokenIntrospectionInterval -1
<Location /api>
  AuthType oauth20
  Require claim scope:orders
  Header set X-Seen-User "expr=%{{REMOTE_USER}}"
</Location>
<Location /protected>
  AuthType openid-connect
  Require valid-user
  Header set X-Seen-User "expr=%{{REMOTE_USER}}"
  Header set X-Seen-Token "expr=%{{req:OIDC_access_token}}"
  Header set X-Seen-Organization "expr=%{{req:OIDC_CLAIM_organization}}"
</Location>
""")
        folder.chmod(0o755)
        self.log = folder / "error.log"
        self.process = subprocess.Popen(
            ["/usr/sbin/apache2", "-X", "-f", str(folder / "apache.conf")],
            stderr=subprocess.PIPE,
        )
        until(self.answers)

    def answers(self) -> bool:
        """Whether it serves a page; fails with what it printed when it has ended."""
        try:
            self.get("/bye.html", {})
        except OSError:
            assert self.process.stderr is not None
            assert self.process.poll() is None, self.process.stderr.read().decode()
            return False
        return True

    def get(self, path: str, cookies: dict[str, str], **headers: str) -> Page:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            sent = {"accept": "text/html", **headers}
            if cookies:
                sent["cookie"] = "; ".join(
                    f"{name}={value}" for name, value in cookies.items()
                )
            connection.request("GET", path, headers=sent)
            answer = connection.getresponse()
            page = Page(
                answer.status,
                [(name.lower(), value) for name, value in answer.getheaders()],
                answer.read(),
            )
        finally:
            connection.close()
        for name, value in page.headers:
            if name == "set-cookie":
                cookie, _, content = value.partition(";")[0].partition("=")
                cookies[cookie] = content
        return page


@pytest.fixture(scope="module")
def apache(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Apache, Platform]]:
    folder = Path(
        subprocess.run(
            ["mktemp", "-d"], capture_output=True, text=True, check=True
        ).stdout.strip()
    )
    port, web = free_port(), free_port()
    back = f"http://127.0.0.1:{web}/protected/callback?logout=backchannel"
    data = tmp_path_factory.mktemp("kapi")
    (data / "kapi.toml").write_text(
        '[[identity.clients]]\nid = "apache"\nsecret = "apache-secret"\n'
        'grants = ["authorization_code", "refresh_token"]\nrequire_pkce = true\n'
        f'redirect_uris = ["http://127.0.0.1:{web}/protected/callback"]\n'
        f'post_logout_redirect_uris = ["http://127.0.0.1:{web}/bye.html"]\n'
        f'backchannel_logout_uri = "{back}"\nconsent = "never"\n'
        '[[identity.clients]]\nid = "shop"\nsecret = "shop-secret"\n'
    )
    platform = Platform(
        port,
        data / "data",
        ("--config", str(data / "kapi.toml"), "--issuer", f"https://{IDP}:{port}"),
    )
    platform.start()
    with proxy() as proxy_port:
        server = Apache(
            folder,
            web,
            f"https://{IDP}:{port}",
            (data / "data" / "tls" / "ca.pem").read_bytes(),
            proxy_port,
        )
        yield server, platform
        server.process.terminate()
        server.process.wait(20)
    platform.stop()


def sign_in(server: Apache, platform: Platform) -> tuple[Person, dict[str, str], Page]:
    person, cookies = Person(over_https(platform.port)), {}
    first = server.get("/protected/", cookies)
    assert first.status == 302, server.log.read_text()
    parts = urlsplit(first.location)
    back = urlsplit(allowed(person, f"{parts.path}?{parts.query}").location)
    landed = server.get(f"{back.path}?{back.query}", cookies)
    assert (landed.status, urlsplit(landed.location).path) == (302, "/protected/"), (
        server.log.read_text()
    )
    page = server.get("/protected/", cookies)
    assert page.body == b"protected page"
    return person, cookies, page


def test_sign_in_refresh_and_sign_out(apache: tuple[Apache, Platform]) -> None:
    server, platform = apache
    person, cookies, page = sign_in(server, platform)
    assert page.header("x-seen-user").startswith("org1user")
    assert page.header("x-seen-organization") == "org1"
    token = page.header("x-seen-token")
    # A token of 3600 seconds with a refresh 3590 before its end: after ten seconds the next page
    # has a fresh one.
    until(
        lambda: server.get("/protected/", cookies).header("x-seen-token") != token,
        server.log.read_text,
    )
    out = server.get(
        f"/protected/callback?logout=http%3A%2F%2F127.0.0.1%3A{server.port}%2Fbye.html",
        cookies,
    )
    parts = urlsplit(out.location)
    assert parts.path == "/oauth2/logout"
    bye = person.open(f"{parts.path}?{parts.query}")
    assert bye.location.startswith(f"http://127.0.0.1:{server.port}/bye.html")
    assert "__Host-kapi-session" not in person.cookies


def test_back_channel_logout_ends_the_session_at_the_client(
    apache: tuple[Apache, Platform],
) -> None:
    server, platform = apache
    person, cookies, _ = sign_in(server, platform)
    page = person.open("/oauth2/logout")
    assert "You are signed out" in person.submit(page).text
    until(
        lambda: server.get("/protected/", cookies).status != 200, server.log.read_text
    )


def test_an_api_behind_it_takes_tokens_until_they_are_revoked(
    apache: tuple[Apache, Platform],
) -> None:
    server, platform = apache

    def call(token: str) -> Page:
        return server.get("/api/", {}, authorization=f"Bearer {token}")

    def token(scope: str) -> str:
        form = f"grant_type=client_credentials&scope={scope}"
        answer = platform.request(
            IDP, "/oauth2/token", "-u", "shop:shop-secret", "-d", form
        )
        return str(answer.json()["access_token"])

    good = token("orders")
    page = call(good)
    assert (page.status, page.body) == (200, b"an API"), server.log.read_text()
    assert page.header("x-seen-user").startswith("shop")
    assert call(token("other")).status == 401
    assert call("x").status == 401
    assert server.get("/api/", {}).status == 401
    assert (
        platform.request(
            IDP, "/oauth2/revoke", "-u", "shop:shop-secret", "-d", f"token={good}"
        ).status
        == 200
    )
    assert call(good).status == 401
