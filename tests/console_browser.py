"""A person in front of a browser that goes between the provider and the console."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from harness import Platform
from person import Page, Person, over_https

CONSOLE, PROVIDER = "console.am.wso2.com", "idp.am.wso2.com"


@dataclass(slots=True)
class Browser:
    """A person in front of a browser that goes between the provider and the console."""

    port: int
    console: Person
    provider: Person
    names: tuple[str, str]

    @classmethod
    def at(
        cls, platform: Platform, names: tuple[str, str] = (CONSOLE, PROVIDER)
    ) -> Browser:
        console, provider = (Person(over_https(platform.port, name)) for name in names)
        return cls(platform.port, console, provider, names)

    def open(self, path: str) -> Page:
        """A page of the console, with all redirects there."""
        page = self.console.ask("GET", path)
        while page.status == 303 and page.location.startswith("/"):
            page = self.console.ask("GET", page.location)
        return page

    def sign_in(
        self, username: str, organization: str = "", password: str = ""
    ) -> Page:
        """The page after sign-in."""
        asked = self.open("/console/")
        assert asked.location.startswith(
            f"https://{self.names[1]}:{self.port}/oauth2/authorize?"
        )
        page = self.provider.open(_path(asked.location))
        page = self.provider.sign_in(page, username, password or username, organization)
        assert page.location.startswith(
            f"https://{self.names[0]}:{self.port}/console/callback?"
        )
        return self.open(_path(page.location))

    def send(self, path: str, fields: dict[str, str], **headers: str) -> Page:
        """Send a form as the console's pages do."""
        limit = "boundary-of-the-form"
        parts = []
        for name, value in fields.items():
            head = f'--{limit}\r\nContent-Disposition: form-data; name="{name}"'
            parts.append(f"{head}\r\n\r\n{value}\r\n")
        body = f"{''.join(parts)}--{limit}--\r\n".encode()
        media_type = f"multipart/form-data; boundary={limit}"
        return self.console.ask(
            "POST", path, body, **{"content-type": media_type}, **headers
        )


def _path(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}"


def token_of(page: Page) -> str:
    found = re.search(r'name="token" value="([0-9a-f]{64})"', page.text)
    assert found is not None
    return found[1]


def confirmed(operator: Browser, path: str, identifier: str, **fields: str) -> Page:
    """The answer to an action that was confirmed."""
    page = operator.open(f"{path}?id={quote(identifier)}")
    assert html.escape(identifier) in page.text
    sure = {"sure": "yes"} if 'name="sure"' in page.text else {}
    return operator.send(
        path, {"token": token_of(page), "id": identifier, **sure, **fields}
    )
