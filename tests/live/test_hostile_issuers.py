"""The long proof: one issuer rotates its keys every second, others hang, reset, redirect and send
100 MB, all under load.

No token is admitted that should not be, no token of a quiet issuer fails, and the platform stays as
small as it was.
"""

from __future__ import annotations

import http.client
import itertools
import ssl
import threading
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest

from harness import DEFINITION, Platform, conf, free_port
from standin import Key, StandIn

SECONDS = 40
MODES = (
    "hang",
    "drip",
    "reset",
    "huge",
    "500",
    "body <html>",
    'body {"keys":[]}',
    "redirect https://127.0.0.1:1/",
    "body " + "[" * 50000,
)
QUIET, ATTACKER = Key.make("quiet", "ES256"), Key.make("attacker")


class Caller(threading.Thread):
    """Calls an API again and again over one connection, and counts the answers by what was sent."""

    def __init__(
        self, platform: Platform, tokens: object, stop: threading.Event
    ) -> None:
        super().__init__(daemon=True)
        self._platform, self._tokens, self._ended = platform, tokens, stop
        self.answers: Counter[tuple[str, int]] = Counter()

    def run(self) -> None:
        context = ssl._create_unverified_context()
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self._platform.port, context=context, timeout=10
        )
        while not self._ended.is_set():
            label, token = self._tokens()  # type: ignore[operator]
            headers = {
                "Host": "default.gw.wso2.com",
                "Authorization": f"Bearer {token}",
            }
            connection.request("GET", "/echo/1.0.0/items", headers=headers)
            answer = connection.getresponse()
            answer.read()
            self.answers[label, answer.status] += 1


class Rotator(threading.Thread):
    """An issuer whose only key changes every second; a withdrawn key must be refused five seconds
    after that at the latest.
    """

    def __init__(
        self, standin: StandIn, keys: list[Key], stop: threading.Event
    ) -> None:
        super().__init__(daemon=True)
        self.standin, self.current, self._keys, self._ended = (
            standin,
            keys[0],
            keys,
            stop,
        )
        self.withdrawn: list[tuple[float, Key]] = []

    def run(self) -> None:
        for key in itertools.islice(itertools.cycle(self._keys), 1, None):
            if self._ended.wait(1):
                return
            old, self.current = self.current, key
            self.standin.keys = [key.jwk()]
            self.withdrawn = [
                item for item in self.withdrawn[-8:] if item[1] is not key
            ]
            self.withdrawn.append((time.monotonic(), old))


@pytest.mark.long
def test_hostile_issuers_under_load(tmp_path: Path, echo: int) -> None:
    stop = threading.Event()
    keys = [Key.make(f"r{number}") for number in range(12)]
    rotating = StandIn(
        keys=[keys[0].jwk()], headers={"Cache-Control": "max-age=1"}
    ).start()
    rotating.discover(rotating.url)
    nasty_keys = [Key.make(f"n{number}") for number in range(len(MODES))]
    nasty = [StandIn(keys=[key.jwk()]).start() for key in nasty_keys]
    (tmp_path / "quiet.pem").write_text(QUIET.pem())
    (tmp_path / "kapi.toml").write_text(
        "[identity]\nkeys_cooldown = 1\nkeys_refresh = 2\n"
        '[[identity.issuers]]\nname = "quiet"\nissuer = "https://quiet.example"\n'
        'public_key_file = "quiet.pem"\n'
    )
    platform = Platform(
        free_port(), tmp_path / "data", ("--config", str(tmp_path / "kapi.toml"))
    )
    platform.start()
    try:
        assert platform.deploy(conf(port=echo), DEFINITION).status == 200
        for number, standin in enumerate((rotating, *nasty)):
            standin.discover(standin.url)
            platform.cli(
                "issuer",
                "add",
                "oidc",
                standin.url,
                "--name",
                f"i{number}",
                "--ca",
                str(standin.ca),
            )
        for standin, mode in zip(nasty, MODES, strict=True):
            standin.mode = mode
        before = psutil.Process(platform.pid("control")).memory_info().rss
        answers = _load(platform, rotating, nasty, keys, nasty_keys, stop)
        grown = psutil.Process(platform.pid("control")).memory_info().rss - before
    finally:
        stop.set()
        platform.stop()
        for standin in (rotating, *nasty):
            standin.stop()
    wrong = {
        key: count
        for key, count in answers.items()
        if key[0] in {"forged", "withdrawn"} and key[1] != 401
    }
    failed = {
        key: count
        for key, count in answers.items()
        if key[0] in {"quiet", "inbuilt", "known"} and key[1] != 200
    }
    assert (wrong, failed) == ({}, {}), answers
    assert {label for label, _ in answers} == {
        "forged",
        "withdrawn",
        "quiet",
        "inbuilt",
        "known",
        "current",
    }
    # How many depends on the machine: refused calls are quicker, so a moment without the new key
    # counts for many.
    assert answers["current", 200] > 100, (
        "the gateway follows an issuer whose keys live for a second"
    )
    assert grown < 64 * 1024 * 1024
    logs = "".join(
        path.read_text() for path in (platform.data_dir / "logs").glob("*.log")
    )
    assert "Traceback" not in logs
    assert "eyJ" not in logs


def _load(
    platform: Platform,
    rotating: StandIn,
    nasty: list[StandIn],
    keys: list[Key],
    nasty_keys: list[Key],
    stop: threading.Event,
) -> Counter[tuple[str, int]]:
    """Calls of every kind at once; the answers."""
    inbuilt = platform.token()
    quiet = QUIET.token({"iss": "https://quiet.example"}, kid=...)
    claims = {"iss": rotating.url}
    signed = {key.kid: key.token(claims) for key in keys}
    known = itertools.cycle(
        [
            key.token({"iss": standin.url})
            for key, standin in zip(nasty_keys, nasty, strict=True)
        ]
    )
    rotator = Rotator(rotating, keys, stop)
    numbers = itertools.count()

    def forged() -> tuple[str, str]:
        target = [rotating, *nasty][next(numbers) % (len(nasty) + 1)]
        return "forged", ATTACKER.token({"iss": target.url}, kid=f"k{next(numbers)}")

    def withdrawn() -> tuple[str, str]:
        old = [
            key
            for moment, key in list(rotator.withdrawn)
            if time.monotonic() - moment > 5
        ]
        return ("withdrawn", signed[old[-1].kid]) if old else ("quiet", quiet)

    sources = (
        lambda: ("quiet", quiet),
        lambda: ("inbuilt", inbuilt),
        lambda: ("known", next(known)),
        lambda: ("current", signed[rotator.current.kid]),
        forged,
        withdrawn,
    )
    callers = [Caller(platform, source, stop) for source in sources]
    rotator.start()
    for caller in callers:
        caller.start()
    time.sleep(SECONDS)
    stop.set()
    answers: Counter[tuple[str, int]] = Counter()
    for caller in callers:
        caller.join(15)
        assert not caller.is_alive(), "a call hangs"
        answers += caller.answers
    return answers
