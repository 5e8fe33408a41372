"""A browser without scripts: curl, with cookies by host, which follows redirects (RFC 6265 §5)."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin, urlsplit

from harness import Answer
from person import Page

HTML = ("-H", "Accept: text/html,application/xhtml+xml")


@dataclass(slots=True)
class Browser:
    """All names lead to one address. (curl 7.88 keeps some cookies that an answer removes.)"""

    port: int
    url: str = ""
    """Where it is."""
    cookies: dict[str, dict[str, str]] = field(default_factory=dict)
    """Host → name → value."""

    def ask(self, url: str, *arguments: str, more_cookies: str = "") -> Answer:
        """One request with the cookies; nothing is followed."""
        pairs = [f"{name}={value}" for name, value in self.cookies_at(url).items()]
        sent = "; ".join(filter(None, [*pairs, more_cookies]))
        command = ["curl", "-sSki", "--http1.1", "--max-time", "20"]
        command += ["--connect-to", f"::127.0.0.1:{self.port}", "-H", f"Cookie: {sent}"]
        done = subprocess.run(
            [*command, *arguments, url], capture_output=True, timeout=30, check=True
        )
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        self.url = url
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
            if name.lower() == "set-cookie":
                self._take(value.strip())
        return Answer(int(first.split()[1]), headers, body)

    def cookies_at(self, url: str) -> dict[str, str]:
        return self.cookies.setdefault(urlsplit(url).hostname or "", {})

    def _take(self, cookie: str) -> None:
        pair, *attributes = [part.strip() for part in cookie.split(";")]
        name, _, value = pair.partition("=")
        small = {item.lower() for item in attributes}
        assert name.startswith("__Host-"), cookie
        assert {"secure", "path=/"} <= small, cookie
        assert not any(item.startswith("domain") for item in small), cookie
        known = self.cookies_at(self.url)
        if "max-age=0" in small or any("1970" in item for item in small):
            known.pop(name, None)
            return
        assert {"httponly", "samesite=lax"} <= small, cookie
        known[name] = value

    def open(self, url: str, *arguments: str, stop_at: str = "") -> Answer:
        """The page at the end of all redirects, or the redirect to the host `stop_at`."""
        answer = self.ask(url, *HTML, *arguments)
        for _ in range(12):
            to = answer.headers.get("location", "")
            if not to or (stop_at and urlsplit(to).hostname == stop_at):
                return answer
            answer = self.ask(urljoin(self.url, answer.headers["location"]), *HTML)
        raise AssertionError(f"too many redirects, the last to {self.url}")

    def submit(self, answer: Answer, stop_at: str = "", **fields: str) -> Answer:
        """Send the first form of a page, and follow."""
        form: dict[str, Any] = Page(answer.status, [], answer.body).forms()[0]
        pairs = {**form["fields"], **fields}.items()
        sent = [
            part
            for name, value in pairs
            for part in ("--data-urlencode", f"{name}={value}")
        ]
        return self.open(urljoin(self.url, form["action"]), *sent, stop_at=stop_at)

    def signed_in(
        self, answer: Answer, user: str = "org1user", organization: str = "org1"
    ) -> Answer:
        """Through the pages of the inbuilt provider: sign-in, then consent if it asks."""
        page = self.submit(
            answer, username=user, password=user, organization=organization
        )
        if b'name="decision"' in page.body:
            page = self.submit(page, decision="allow")
        return page
